"""Known gaps in the store: opened and closed in the transaction of the batch that tells."""

import asyncpg
import pytest
from factories import trade
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.slots import Gap, SlotRange
from app.settings import Settings
from app.store.feed import read_head
from app.store.gaps import open_gaps
from app.store.writer import Writer
from app.store.writer_batch import Work

SETTINGS = Settings(sol_usd="150.25")


async def write(engine: AsyncEngine, *works: Work) -> None:
    async with Writer(engine, SETTINGS, source="rpc", is_simulated=False) as writer:
        for work in works:
            await writer.write(work)


async def ranges(engine: AsyncEngine) -> list[tuple[int, int]]:
    return [(gap.slots.first, gap.slots.last) for gap in await open_gaps(engine)]


async def test_a_gap_closes_piece_by_piece(engine: AsyncEngine) -> None:
    await write(engine, Work(missing=[Gap(SlotRange(10, 30), "the node was away")]))
    (gap,) = await open_gaps(engine)
    assert (gap.why, gap.source) == ("the node was away", "rpc")
    await write(engine, Work(complete=[SlotRange(15, 20)]))
    assert await ranges(engine) == [(10, 14), (21, 30)]
    assert {each.since for each in await open_gaps(engine)} == {gap.since}
    await write(engine, Work(complete=[SlotRange(1, 14), SlotRange(30, 90)]))
    assert await ranges(engine) == [(21, 29)]
    await write(engine, Work(complete=[SlotRange(21, 29)]))
    assert await ranges(engine) == []


async def test_a_gap_is_not_closed_by_a_batch_that_is_not_stored(engine: AsyncEngine) -> None:
    await write(engine, Work(missing=[Gap(SlotRange(10, 30), "lost")]))
    broken = trade(base_amount=10**30)
    with pytest.raises(asyncpg.PostgresError):
        await write(engine, Work(events=[broken], complete=[SlotRange(10, 30)]))
    assert await ranges(engine) == [(10, 30)]


async def test_the_lag_counts_slots_without_any_event_of_ours_as_read(engine: AsyncEngine) -> None:
    await write(engine, Work(events=[trade(slot=100)], tip_slot=140))
    head = await read_head(engine)
    assert head is not None
    assert head.lag_slots == 40
    await write(engine, Work(complete=[SlotRange(101, 138)], tip_slot=139))
    head = await read_head(engine)
    assert head is not None
    assert (head.lag_slots, head.point.slot, head.tip_slot) == (2, 100, 140)
