"""How far each source has come: its own resume token, stored with what was read up to it."""

from dataclasses import dataclass

import asyncpg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.store.tables import checkpoints


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`state` is opaque to the store; `slot` is for people."""

    source: str
    slot: int
    state: bytes


async def read_checkpoint(engine: AsyncEngine, source: str) -> Checkpoint | None:
    """Where `source` goes on; None when it has never been read."""
    async with engine.connect() as connection:
        row = (await connection.execute(select(checkpoints).where(checkpoints.c.source == source))).one_or_none()
    return None if row is None else Checkpoint(row.source, row.slot, row.state)


async def store_checkpoint(connection: asyncpg.Connection, checkpoint: Checkpoint) -> None:
    """Part of the writer's transaction."""
    await connection.execute(
        "INSERT INTO checkpoints (source, slot, state) VALUES ($1, $2, $3) ON CONFLICT (source) DO UPDATE"
        " SET slot = greatest(checkpoints.slot, excluded.slot), state = excluded.state",
        checkpoint.source,
        checkpoint.slot,
        checkpoint.state,
    )
