"""What `curvecast verify` says: all is there, or exactly what is not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.bus.feed import Bus
from app.domain.slots import Gap, OpenGap, SlotRange
from app.settings import Settings
from app.store.gaps import open_gaps
from app.store.writer import Writer
from app.store.writer_batch import Work
from indexer.rpc.node import Node
from indexer.rpc.pool import Pool
from indexer.run import run_indexer
from indexer.sources.backfill import BackfillSource
from indexer.verify import Verdict, sample, verify
from node.chain import Chain, Mix
from node.material import simulated
from node.serving import serve_node


@pytest.fixture
async def filled(engine: AsyncEngine) -> AsyncIterator[tuple[Pool, SlotRange]]:
    """A store that was filled from a node, as a gap, and the node's pool."""
    chain = Chain(simulated(rate=40, tokens=10, started=1_790_000_000), Mix(seed=7, skipped_share=0.2))
    await chain.advance(140)
    slots = SlotRange(next(chain.blocks(0, chain.slot)).slot + 1, chain.slot - 80)
    async with serve_node(chain) as node, written(engine, slots) as settings:

        async def gaps() -> list[OpenGap]:
            return await open_gaps(engine)

        bus = Bus("memory://")
        await bus.connect()
        source = BackfillSource(Pool(node.setting), gaps, look_seconds=0.05, until_filled=True)
        await run_indexer(settings, engine, source, bus, once=True)
        await bus.disconnect()
        assert await open_gaps(engine) == []
        async with Pool(node.setting) as pool:
            yield pool, slots


@asynccontextmanager
async def written(engine: AsyncEngine, slots: SlotRange) -> AsyncIterator[Settings]:
    settings = Settings()
    async with Writer(engine, settings, source="test", is_simulated=False) as writer:
        await writer.write(Work(missing=[Gap(slots, "the test took it")]))
    yield settings


async def judged(engine: AsyncEngine, filled: tuple[Pool, SlotRange]) -> Verdict:
    pool, slots = filled
    return await verify(engine, Node(pool), [slots], lambda verdict: None)


async def test_a_store_that_was_filled_from_a_node_has_every_event(
    engine: AsyncEngine, filled: tuple[Pool, SlotRange]
) -> None:
    verdict = await judged(engine, filled)
    assert verdict.is_perfect
    assert verdict.on_chain == verdict.captured > 100
    assert "capture rate 100.0000 %" in verdict.text


async def test_a_lost_a_changed_and_an_invented_trade_are_told_each(
    engine: AsyncEngine, filled: tuple[Pool, SlotRange]
) -> None:
    async with engine.begin() as connection:
        pick = "(SELECT identity FROM trades ORDER BY position LIMIT 1 OFFSET {})"
        await connection.execute(text(f"DELETE FROM trades WHERE identity = {pick.format(3)}"))
        await connection.execute(
            text(f"UPDATE trades SET quote_amount = quote_amount + 1 WHERE identity = {pick.format(5)}")
        )
        await connection.execute(
            text(f"UPDATE trades SET identity = decode(repeat('ab', 16), 'hex') WHERE identity = {pick.format(7)}")
        )
    verdict = await judged(engine, filled)
    assert (verdict.missing, verdict.different, verdict.phantom) == (2, 1, 1)
    assert verdict.captured == verdict.on_chain - 3
    assert "100.0000" not in verdict.text
    assert len(verdict.shown) == 4


def test_a_sample_is_drawn_from_the_range_and_the_same_for_the_same_seed() -> None:
    slots = SlotRange(1_000, 9_999)
    drawn = sample(slots, 50, seed=1)
    assert drawn == sample(slots, 50, seed=1) != sample(slots, 50, seed=2)
    assert sum(each.last - each.first + 1 for each in drawn) == 50
    assert sample(slots, None, seed=1) == [slots]
