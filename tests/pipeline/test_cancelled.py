"""An indexer that is told to stop ends, whatever it is just doing, and the next one goes on from there."""

import asyncio
import random

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.bus.feed import Bus
from app.settings import Settings
from indexer.run import run_indexer
from indexer.sources.simulate import SimulateSource

SECONDS = 10.0
COUNT = 3_000


def market() -> SimulateSource:
    return SimulateSource(rate=2_000, tokens=20, count=COUNT, started=1_790_000_000, paced=False)


@pytest.mark.parametrize("seed", range(3))
async def test_an_indexer_that_is_cancelled_at_any_moment_ends_at_once(seed: int, engine: AsyncEngine) -> None:
    dice = random.Random(seed)
    bus = Bus("memory://")
    await bus.connect()
    for _ in range(8):
        indexing = asyncio.create_task(run_indexer(Settings(), engine, market(), bus, once=True))
        await asyncio.wait({indexing}, timeout=dice.uniform(0.02, 0.5))
        indexing.cancel()
        await asyncio.wait({indexing}, timeout=SECONDS)
        assert indexing.done(), "it was told to stop and goes on"
        assert indexing.cancelled() or indexing.exception() is None
    async with asyncio.timeout(60):
        await run_indexer(Settings(), engine, market(), bus, once=True)
    await bus.disconnect()
