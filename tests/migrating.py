"""Migrations one by one, as a developer runs them with the alembic command."""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

FOLDER = Path(__file__).resolve().parent.parent / "alembic"


async def go_up(engine: AsyncEngine, revision: str = "head") -> None:
    await _run(engine, command.upgrade, revision)


async def go_down(engine: AsyncEngine, revision: str) -> None:
    await _run(engine, command.downgrade, revision)


async def _run(engine: AsyncEngine, step: Callable[[Config, str], None], revision: str) -> None:
    def run(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(FOLDER))
        config.attributes["connection"] = connection
        config.attributes["progress"] = lambda line: None
        step(config, revision)

    async with engine.connect() as connection:
        if await connection.scalar(text("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'")):
            # A policy that begins while it is taken down would end the migration: "tuple concurrently deleted".
            await connection.execute(text("SELECT _timescaledb_functions.stop_background_workers()"))
        await connection.run_sync(run)
        await connection.commit()
