"""`after`: stored records first, then live, cut at random points by clients, the server and the bus."""

import asyncio
import random
from contextlib import suppress

import pytest
from fanout.listening import LAUNCHES, TRADES, Ended, Listener, serve
from live.feeding import SECONDS, feed, mint, running_hub, trades_of, truth, until
from sqlalchemy.ext.asyncio import AsyncEngine

from app.bus.feed import Bus
from app.domain.records import Batch
from app.live.hub import Hub

LENGTH = 160


class SpoiledBus:
    """Announces to whichever hub runs at the moment; loses, repeats and delays."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(f"bus {seed}")
        self._held: list[Batch] = []
        self.bus: Bus | None = None

    async def publish(self, batch: Batch) -> None:
        self._held.append(batch)
        if self.bus is None or self._dice.random() < 0.15:
            return
        repeats = [self._dice.choice(self._held)] if self._dice.random() < 0.2 else []
        for each in [batch, *repeats]:
            await self.bus.publish(each)
        await asyncio.sleep(0)


class RestartingServer:
    """A hub that is stopped and started again at random, as a server process would be."""

    def __init__(self, engine: AsyncEngine, bus: SpoiledBus, seed: int) -> None:
        self._engine, self._bus = engine, bus
        self._dice = random.Random(f"server {seed}")
        self.hub: Hub | None = None

    async def run(self) -> None:
        while True:
            async with running_hub(self._engine) as hub:
                self.hub, self._bus.bus = hub, hub.bus
                await asyncio.sleep(self._dice.uniform(0.02, 0.3))
                self.hub, self._bus.bus = None, None
            await asyncio.sleep(self._dice.uniform(0, 0.02))


async def _client(
    engine: AsyncEngine, server: RestartingServer, mint: str, seed: int, last: "asyncio.Future[int]"
) -> list[int]:
    """Reads until it has the last trade, leaving at random and coming back after the newest that it has."""
    dice = random.Random(f"client {seed}")
    got: list[int] = []
    while not (last.done() and got and got[-1] == last.result()):
        if server.hub is None:
            await asyncio.sleep(0.005)
            continue
        fanout = await serve(engine, server.hub, limit=dice.choice([1, 4, 64]))
        after = fanout.cursor(got[-1] if got else 0)
        listener = fanout.listen(TRADES, Listener(room=dice.choice([1, 3, 100])), mint=mint, after=after)
        await _read(listener, got, dice.randint(1, 30))
        await listener.stop()
    return got


async def _read(listener: Listener, got: list[int], most: int) -> None:
    """Until it has `most`, or nothing comes for a while, or the server ends it, as for reading too little."""
    with suppress(TimeoutError, Ended):
        async with asyncio.timeout(0.1):
            for _ in range(most):
                got += [record.sequence for record in await listener.records(1)]


@pytest.mark.parametrize("seed", range(6))
async def test_clients_that_come_and_go_have_every_trade_once_and_in_order(engine: AsyncEngine, seed: int) -> None:
    await feed(engine, _nothing, seed, LENGTH // 4)
    bus = SpoiledBus(seed)
    server = RestartingServer(engine, bus, seed)
    serving = asyncio.create_task(server.run())
    last: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    clients = [
        asyncio.create_task(_client(engine, server, mint(seed), 10 * seed + number, last)) for number in range(3)
    ]
    try:
        await feed(engine, bus.publish, seed, LENGTH, start=LENGTH // 4)
        expected = [trade.sequence for trade in await trades_of(engine, mint(seed))]
        last.set_result(expected[-1])
        async with asyncio.timeout(SECONDS):
            assert await asyncio.gather(*clients) == [expected] * 3
    finally:
        for task in (serving, *clients):
            task.cancel()
        await asyncio.gather(serving, *clients, return_exceptions=True)


async def test_a_cursor_of_a_process_that_is_ahead_repeats_nothing(engine: AsyncEngine) -> None:
    async with running_hub(engine) as ahead, running_hub(engine) as behind:
        held: list[Batch] = []

        async def publish(batch: Batch) -> None:
            held.append(batch)
            await ahead.bus.publish(batch)

        await feed(engine, publish, 3, 60)
        await until(lambda: ahead.sequence == held[-1].last_sequence)
        expected = await trades_of(engine, mint(3))
        middle = expected[len(expected) // 2].sequence
        server = await serve(engine, behind)
        stream = server.listen(TRADES, mint=mint(3), after=server.cursor(middle))
        await stream.has([each for each in expected if each.sequence > middle])
        await stream.stop()


async def test_launches_resume_after_any_of_them(engine: AsyncEngine) -> None:
    await feed(engine, _nothing, 5, 120)
    launched = (await truth(engine)).launches
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        for index, after in enumerate(launched):
            stream = await server.live(LAUNCHES, after=server.cursor(after))
            got = await stream.records(len(launched) - index - 1)
            assert [token.launch_sequence for token in got] == list(launched[index + 1 :])
            await stream.stop()


async def _nothing(batch: Batch) -> None:
    """Nobody listens."""
