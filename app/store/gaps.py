"""Slot ranges known to be missing: opened and closed with the batch that tells, read by whoever fills them."""

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.slots import Gap, OpenGap, SlotRange, close, note
from app.store.tables import gaps


async def open_gaps(engine: AsyncEngine, limit: int | None = None) -> list[OpenGap]:
    """Oldest slots first."""
    async with engine.connect() as connection:
        rows = await connection.execute(select(gaps).order_by(gaps.c.first_slot).limit(limit))
        return [OpenGap(SlotRange(row.first_slot, row.last_slot), row.why, row.since, row.source) for row in rows]


async def open_gap(engine: AsyncEngine, gap: Gap, source: str) -> None:
    """Notes a gap beside the writer: whoever fills gaps will find it."""
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        driver: asyncpg.Connection = raw.driver_connection  # type: ignore[assignment]
        async with driver.transaction():
            await change_gaps(driver, [gap], [], source)


async def change_gaps(
    connection: asyncpg.Connection, missing: Sequence[Gap], complete: Sequence[SlotRange], source: str
) -> None:
    """Part of the writer's transaction: what is complete closes, then what is missing opens."""
    told = [*complete, *(gap.slots for gap in missing)]
    if not told:
        return
    stored = await _touching(connection, min(told).first, max(slots.last for slots in told))
    wanted = note(close(stored, complete), missing, datetime.now(UTC), source)
    gone = [(gap.slots.first,) for gap in stored if gap not in wanted]
    fresh = [gap for gap in wanted if gap not in stored]
    await connection.executemany("DELETE FROM gaps WHERE first_slot = $1", gone)
    await connection.executemany(
        "INSERT INTO gaps (first_slot, last_slot, why, since, source) VALUES ($1, $2, $3, $4, $5)",
        [(gap.slots.first, gap.slots.last, gap.why, gap.since, gap.source) for gap in fresh],
    )


async def _touching(connection: asyncpg.Connection, first: int, last: int) -> list[OpenGap]:
    """Those with a slot in the range, and its two neighbours, which may be joined."""
    rows = await connection.fetch(
        "SELECT * FROM gaps WHERE last_slot >= $1 - 1 AND first_slot <= $2 + 1 ORDER BY first_slot", first, last
    )
    return [
        OpenGap(SlotRange(row["first_slot"], row["last_slot"]), row["why"], row["since"], row["source"]) for row in rows
    ]
