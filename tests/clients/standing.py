"""A market that goes on while its API is stopped and started: a store, a Redis, and who writes to both."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
from factories import market
from live.feeding import mint
from running import Running, start
from servers import open_folder, postgres, redis

from app.bus.feed import Bus
from app.settings import Settings
from app.store.engine import create_engine
from app.store.migrate import upgrade
from app.store.writer import Writer
from app.store.writer_batch import Work

_SEED = 5
MINT = mint(_SEED)
"""One of the four that are traded all the time."""
_EVENTS = 6_000
_AT_ONCE = 4
_PAUSE_SECONDS = 0.05


class Standing:
    """Where the market is stored and announced, and the servers that were started over it."""

    def __init__(self, folder: Path, database_url: str, redis_url: str) -> None:
        self._folder = folder
        self._database_url, self._redis_url = database_url, redis_url
        self._started: list[Running] = []

    async def serve(self, *arguments: str, port: int | None = None) -> Running:
        """`curvecast serve ARGUMENTS`, on `port` or a free one, when it is ready."""
        settings = {"database_url": self._database_url, "redis_url": self._redis_url, "sol_usd": "150"}
        running = await start("serve", *arguments, folder=self._folder, port=port, **settings)
        self._started.append(running)
        await running.ready()
        return running

    async def stop(self) -> None:
        for running in self._started:
            await running.stop()

    async def write(self) -> None:
        """Some 80 events a second, each announced after its commit, for longer than any test."""
        settings = Settings(sol_usd="150")
        story = market(_SEED, _EVENTS)
        engine, bus = create_engine(self._database_url, settings), Bus(self._redis_url)
        await bus.connect()
        try:
            async with Writer(engine, settings, source="test", is_simulated=True) as writer:
                while story:
                    chosen, story = story[:_AT_ONCE], story[_AT_ONCE:]
                    work = Work(events=[event for event, _ in chosen], balances=[b for _, held in chosen for b in held])
                    await bus.publish((await writer.write(work)).batch)
                    await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            await bus.disconnect()
            await engine.dispose()

    async def feed(self, condition: str) -> Sequence[str]:
        """What the global ids stand for of the trades that meet an SQL condition on `trades` and `tokens`, in feed
        order."""
        connection = await asyncpg.connect(self._database_url)
        try:
            rows = await connection.fetch(
                "SELECT 'Trade:' || extract(epoch FROM block_time)::bigint || ':' || encode(identity, 'hex')"
                f" FROM trades JOIN tokens t ON t.id = token_id WHERE {condition} ORDER BY sequence"
            )
        finally:
            await connection.close()
        return [row[0] for row in rows]


@asynccontextmanager
async def standing_market() -> AsyncIterator[Standing]:
    """It is written from now on; nobody serves it yet."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(open_folder())
        database, bus = stack.enter_context(postgres()), stack.enter_context(redis())
        await upgrade(database.url)
        market = Standing(folder, database.url, bus.url)
        stack.push_async_callback(market.stop)
        writing = asyncio.create_task(market.write())
        stack.push_async_callback(_cancel, writing)
        yield market
        assert not writing.done(), "the market ended"


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})


def missed(got: Sequence[str], feed: Sequence[str]) -> str:
    """What a client that left again got wrong, from the first record that it got to the last; empty where nothing."""
    if not got:
        return "nothing came"
    expected = feed[feed.index(got[0]) :][: len(got)]
    apart = next((at for at, pair in enumerate(zip(got, expected, strict=False)) if pair[0] != pair[1]), None)
    return "" if got == expected else f"{len(got)} came, {len(set(got))} different; apart at {apart}"
