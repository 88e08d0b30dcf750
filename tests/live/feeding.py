"""A market that is written and announced as the indexer does it, with a bus that a test may spoil."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from factories import address, market
from sqlalchemy.ext.asyncio import AsyncEngine

from app.bus.feed import Bus
from app.domain.records import Batch, TradeRecord
from app.live.hub import Hub
from app.settings import Settings
from app.store.feed import read_batch
from app.store.writer import Writer
from app.store.writer_batch import Work

SECONDS = 20.0
"""How long a test waits for what must come."""
SETTINGS = Settings(sol_usd="150")
Publish = Callable[[Batch], Awaitable[None]]


def mint(seed: int, number: int = 0) -> str:
    """A mint of `market(seed, …)`."""
    return address(f"mint {seed} {number}")


async def feed(engine: AsyncEngine, publish: Publish, seed: int, length: int, start: int = 0) -> None:
    """Stores the events of a market from `start` on in batches of 1 to 9 and announces each after its commit."""
    dice = random.Random(seed)
    story = market(seed, length)[start:]
    async with Writer(engine, SETTINGS, source="test", is_simulated=True) as writer:
        while story:
            size = dice.randint(1, 9)
            chosen, story = story[:size], story[size:]
            work = Work(events=[event for event, _ in chosen], balances=[b for _, held in chosen for b in held])
            await publish((await writer.write(work)).batch)


async def truth(engine: AsyncEngine, after: int = 0) -> Batch:
    """Everything that is stored after a sequence, as one batch."""
    batch = await read_batch(engine, after)
    assert batch is not None
    return batch


async def trades_of(engine: AsyncEngine, mint: str, after: int = 0) -> list[TradeRecord]:
    """Stored trades of a mint in feed order."""
    return [trade for trade in (await truth(engine, after)).trades if trade.mint == mint]


@asynccontextmanager
async def running_hub(
    engine: AsyncEngine, url: str = "memory://", max_batches: int = 1_000, most_waiting: int = 10_000
) -> AsyncIterator[Hub]:
    """A hub on a bus of its own, as one API process has it."""
    bus = Bus(url, max_batches)
    await bus.connect()
    hub = Hub(engine, bus, most_waiting)
    await hub.start()
    try:
        yield hub
    finally:
        await hub.stop()
        await bus.disconnect()


async def until(condition: Callable[[], bool]) -> None:
    """Returns when the condition holds; fails when it does not in time."""
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.01)
