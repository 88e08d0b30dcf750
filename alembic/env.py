"""Alembic's entrance: on the connection that app.store.migrate hands over, else on the database of the settings."""

import asyncio
from collections.abc import Callable

from alembic import context
from sqlalchemy import Connection

from app.settings import Settings
from app.store.engine import open_engine
from app.store.migrate import is_ours
from app.store.tables import metadata


def run(connection: Connection) -> None:
    progress: Callable[[str], None] = context.config.attributes.get("progress", print)
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        transaction_per_migration=True,
        include_name=lambda name, kind, parents: is_ours(name, kind),
        on_version_apply=lambda step, **_: progress(f"{step.up_revision_id} {step.up_revision.doc}"),
    )
    with context.begin_transaction():
        context.run_migrations()


async def run_on_settings() -> None:
    async with open_engine(Settings.from_env()) as engine, engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()


if (given := context.config.attributes.get("connection")) is not None:
    run(given)
else:
    asyncio.run(run_on_settings())
