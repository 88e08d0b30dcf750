"""Brings a database to the newest migration, and tells whether migrations and tables say the same.

`python -m app.store.migrate` prints the differences and exits 1 when there are any (`make check`).
"""

import asyncio
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import StartupError
from app.settings import Settings
from app.store.embedded import EmbeddedPostgres
from app.store.engine import create_engine
from app.store.tables import metadata

Progress = Callable[[str], None]
_LOCK = 0x43_55_52_56_45_4D  # "CURVEM": one migration of a database at a time
_LONGEST_STATEMENT_SECONDS = 86_400.0
"""An index over a large store takes its time."""
_HERE = Path(__file__).resolve().parent
_FOLDERS = (_HERE / "migrations", _HERE.parent.parent / "alembic")
"""In the installed package, in a checkout."""


def _config() -> Config:
    for folder in _FOLDERS:
        if (folder / "env.py").is_file():
            config = Config()
            config.set_main_option("script_location", str(folder).replace("%", "%%"))
            return config
    raise StartupError("the migrations are missing from this installation: install curvecast again.")


async def upgrade(url: str, progress: Progress = lambda line: None) -> None:
    """Applies what is missing, each migration in its own transaction; `progress` gets a line for each.

    Safe to call from several processes at once: one works, the others wait for it and find nothing to do.
    """
    engine = create_engine(url, Settings(database_timeout_seconds=_LONGEST_STATEMENT_SECONDS))
    try:
        async with engine.connect() as guard:
            await guard.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})  # held until it is closed
            async with engine.connect() as worker:
                await worker.run_sync(_upgrade, progress)
                await worker.commit()
    finally:
        await engine.dispose()


async def needs_upgrade(engine: AsyncEngine) -> bool:
    """Whether the database is not at the newest migration that this installation has."""
    async with engine.connect() as connection:
        current = await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
    return current != ScriptDirectory.from_config(_config()).get_current_head()


def _upgrade(connection: Connection, progress: Progress) -> None:
    config = _config()
    config.attributes["connection"] = connection
    config.attributes["progress"] = progress
    command.upgrade(config, "head")


def is_ours(name: str | None, kind: str) -> bool:
    """Whether Alembic should compare an object: not daily partitions, nor what TimescaleDB makes."""
    return not (kind == "table" and name is not None and (name.startswith("trades_2") or name == "alembic_version"))


def differences(connection: Connection) -> list[Any]:
    """What `tables.py` declares and the migrated database has not, and the other way round; empty when equal."""
    context = MigrationContext.configure(
        connection,
        opts={
            "compare_type": True,
            "include_name": lambda name, kind, parents: is_ours(name, kind),
        },
    )
    return list(compare_metadata(context, metadata))


async def _differences_at(url: str) -> list[Any]:
    await upgrade(url)
    engine = create_engine(url, Settings())
    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    await engine.dispose()
    return found


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="curvecast-") as folder:
        Path(folder).chmod(0o755)  # the server may run as another user
        server = EmbeddedPostgres(Path(folder), {"fsync": "off"})
        server.start()
        try:
            found = asyncio.run(_differences_at(server.url))
        finally:
            server.stop()
    for difference in found:
        print(f"migrations and app/store/tables.py differ: {difference}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
