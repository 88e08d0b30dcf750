"""Runs the Postgres of the wheel as a child that cannot outlive us.

The server's parent is a small shell that reads a pipe from us. When the pipe ends, because we stop or because we were
killed, it asks the server for a fast shutdown. That is the same on Linux and macOS, and needs no code between fork and
exec. Two kernel locks say who is there, so that no process id has to be believed: `owner.lock` is held by the Curvecast
process, `server.lock` is inherited by every server process.
"""

import asyncio
import fcntl
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO
from urllib.parse import quote

from app.errors import StartupError
from app.store.embedded_home import Account, Binaries, binaries_for, data_folder, server_account

_LOG = logging.getLogger(__name__)
USER = "curvecast"
SETTINGS: Mapping[str, str] = {
    # The default of 4 is for spinning disks: it made the latest-trades query 70 times slower at 50 M rows.
    "random_page_cost": "1.1",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    # Filling each new WAL file with zeros held up a commit for 100 ms every 7,000 trades. It only reserves the space:
    # without, a full disk shows at a commit, which fails and is tried again after the server's restart.
    "wal_init_zero": "off",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
}
"""Everything else is Postgres' default; `synchronous_commit` too: what was committed survives a power cut."""

_SUPERVISOR = """
exec 3<&0 </dev/null
"$@" 3<&- &
server=$!
{ read -r _ <&3; kill -INT $server; } &
reader=$!
wait $server
status=$?
kill $reader
exit $status
"""
_LONGEST_SOCKET_FOLDER = 103 - len("/.s.PGSQL.5432")
"""Characters; sun_path holds 104 bytes on macOS, 108 on Linux, with the final NUL."""
_START_SECONDS = 120.0
"""Crash recovery after hours of writing takes a while."""
_STOP_SECONDS = 30.0
_FORMER_SERVER_SECONDS = 30.0


class EmbeddedPostgres:
    """One server over one data folder; `start` makes the folder when it is new.

    `url` is for SQLAlchemy and asyncpg alike once started. `settings` are added to `SETTINGS`.
    """

    def __init__(self, data_dir: Path, settings: Mapping[str, str] | None = None) -> None:
        self._parent = data_dir.resolve()
        self._settings = {**SETTINGS, **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._owner: IO[bytes] | None = None
        self._socket_folder: Path | None = None
        self._stopping = False

    @property
    def url(self) -> str:
        if self._socket_folder is None:
            raise RuntimeError("the embedded Postgres has not been started")
        return f"postgresql://{USER}@/postgres?host={quote(str(self._socket_folder))}"

    def start(self) -> None:
        """Starts the server and returns when it answers. Raises StartupError with one line that says why not."""
        self._parent.mkdir(parents=True, exist_ok=True)
        self._owner = self._lock_folder()
        try:
            self._launch()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, clients cut off. Does nothing when not started."""
        self._stopping = True
        if self._process is not None:
            _end(self._process)
            self._process = None
        if self._socket_folder is not None and self._socket_folder.name.startswith("curvecast-"):
            shutil.rmtree(self._socket_folder, ignore_errors=True)
        self._socket_folder = None
        if self._owner is not None:
            self._owner.close()
            self._owner = None

    async def keep_running(self) -> None:
        """Starts the server again whenever it ends by itself; runs until cancelled."""
        while not self._stopping:
            await asyncio.sleep(0.2)
            if self._process is not None and self._process.poll() is not None and not self._stopping:
                _LOG.warning("the embedded Postgres ended; starting it again", extra={"log": str(self._log)})
                _close(self._process)
                await asyncio.to_thread(self._launch)

    @property
    def _log(self) -> Path:
        return self._parent / "postgres.log"

    def _lock_folder(self) -> IO[bytes]:
        lock = (self._parent / "owner.lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise StartupError(
                f"the data folder {self._parent} is in use by another Curvecast: "
                "stop that one, or set CURVECAST_DATA_DIR to another folder."
            ) from None
        return lock

    def _launch(self) -> None:
        home = data_folder(self._parent)
        data = home / "data"
        account = server_account(home)
        binaries = binaries_for(data, account)
        with (self._parent / "server.lock").open("ab") as lock:
            _wait_for_former_server(lock, self._parent)
            if not data.exists():
                self._create(data, binaries, account)
            _clear_traces(data)
            self._socket_folder = self._socket_folder or _socket_folder(data, account)
            self._process = self._spawn(data, binaries, account, lock)
        self._wait_until_ready(data)

    def _create(self, data: Path, binaries: Binaries, account: Account) -> None:
        """initdb beside the final place and then renamed, so that a half-made folder is never taken for one."""
        unfinished = data.with_name("unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        command = [str(binaries.folder / "initdb"), "-D", str(unfinished), "-U", USER]
        command += ["-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions"]
        with self._log.open("wb") as log:
            code = subprocess.call(command, cwd="/", stdout=log, stderr=log, **account.popen_options())
        if code != 0:
            raise StartupError(f"initdb failed: {_last_line(self._log)} (all of it: {self._log})")
        unfinished.rename(data)

    def _spawn(self, data: Path, binaries: Binaries, account: Account, lock: IO[bytes]) -> "subprocess.Popen[bytes]":
        command = ["/bin/sh", "-c", _SUPERVISOR, "curvecast-postgres", str(binaries.folder / "postgres")]
        command += ["-D", str(data), "-h", "", "-k", str(self._socket_folder)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with self._log.open("wb") as log:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                command,
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[lock.fileno()],
                start_new_session=True,  # Ctrl-C in the terminal is for us, not for the server
                **account.popen_options(),
            )
        return process

    def _wait_until_ready(self, data: Path) -> None:
        assert self._process is not None
        limit = time.monotonic() + _START_SECONDS
        while not _is_ready(data):
            if self._process.poll() is not None:
                raise StartupError(f"Postgres did not start: {_last_line(self._log)} (all of it: {self._log})")
            if time.monotonic() > limit:
                raise StartupError(f"Postgres is not ready after {_START_SECONDS:.0f} s; see {self._log}")
            time.sleep(0.005)


def _close(process: "subprocess.Popen[bytes]") -> None:
    """Ends the pipe: the server's sign to stop."""
    assert process.stdin is not None
    process.stdin.close()


def _end(process: "subprocess.Popen[bytes]") -> None:
    _close(process)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGQUIT)  # immediate shutdown; the next start recovers from the log
        process.wait(_STOP_SECONDS)


def _wait_for_former_server(lock: IO[bytes], folder: Path) -> None:
    """Takes the lock that all processes of a server hold: one whose Curvecast was killed needs a moment to end."""
    limit = time.monotonic() + _FORMER_SERVER_SECONDS
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > limit:
                raise StartupError(f"a former Postgres over {folder} does not end: stop it by hand.") from None
            time.sleep(0.01)


def _clear_traces(data: Path) -> None:
    """Removes what a killed server left. Holding its lock proves that none runs; a reused pid would say otherwise."""
    for name in ("postmaster.pid", ".s.PGSQL.5432", ".s.PGSQL.5432.lock"):
        (data / name).unlink(missing_ok=True)


def _socket_folder(data: Path, account: Account) -> Path:
    if len(os.fsencode(data)) <= _LONGEST_SOCKET_FOLDER:
        return data
    folder = Path(tempfile.mkdtemp(prefix="curvecast-", dir="/tmp"))
    account.take(folder)
    return folder


def _is_ready(data: Path) -> bool:
    """The eighth line of postmaster.pid is the server's status; pg_ctl waits for it in the same way."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return next((line for line in reversed(lines) if "FATAL" in line or "error" in line), lines[-1] if lines else "")
