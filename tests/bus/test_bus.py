"""The bus by itself: what it refuses, bounds, and tells."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from servers import RedisServer, free_port

from app.bus.backoff import FIRST_SECONDS, LONGEST_SECONDS, Backoff
from app.bus.feed import Bus
from app.domain.programs import Commitment
from app.domain.records import Batch, ChainPoint, Head
from app.errors import StartupError, Unavailable

SECONDS = 10.0


def batch(sequence: int) -> Batch:
    """A batch of one record that nobody looks at."""
    head = Head(
        point=ChainPoint(1, 1, Commitment.CONFIRMED), finalized=None, sequence=sequence, source="x", is_simulated=True
    )
    return Batch(previous_sequence=sequence - 1, first_sequence=sequence, last_sequence=sequence, head=head)


class Reader:
    """Takes every batch from when it is ready."""

    def __init__(self, bus: Bus) -> None:
        self.got: list[int] = []
        self._batches = bus.batches()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for each in self._batches:
            self.got.append(each.last_sequence)

    async def has(self, sequences: list[int]) -> None:
        async with asyncio.timeout(SECONDS):
            while len(self.got) < len(sequences):
                await asyncio.sleep(0.01)
        assert self.got == sequences

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture(params=["memory", "redis"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    url = "memory://" if request.param == "memory" else request.getfixturevalue("redis_server").url
    bus = Bus(url, 1_000)
    await bus.connect()
    yield bus
    await bus.disconnect()


async def _ready(bus: Bus, reader: Reader) -> None:
    """Returns when the reader gets what is published: subscribing takes a moment."""
    async with asyncio.timeout(SECONDS):
        while not reader.got:
            await bus.publish(batch(0))
            await asyncio.sleep(0.02)
    reader.got.clear()


async def test_batches_come_in_order_and_more_of_them_than_the_window_holds(bus: Bus) -> None:
    reader = Reader(bus)
    await _ready(bus, reader)
    for sequence in range(1, 301):
        await bus.publish(batch(sequence))
    async with asyncio.timeout(SECONDS):
        while not reader.got or reader.got[-1] != 300:
            await asyncio.sleep(0.01)
    assert [sequence for sequence in reader.got if sequence] == list(range(1, 301))
    await reader.stop()


async def test_the_last_sequence_is_told_and_none_before_the_first(bus: Bus) -> None:
    assert await bus.last_sequence() is None
    await bus.publish(batch(41))
    assert await bus.last_sequence() == 41


async def test_memory_keeps_only_the_newest_for_a_reader_that_is_late() -> None:
    bus = Bus("memory://", max_batches=5)
    await bus.connect()
    reader = Reader(bus)
    await _ready(bus, reader)
    for sequence in range(1, 101):
        await bus.publish(batch(sequence))  # without a pause: the reader has no turn
    await reader.has([96, 97, 98, 99, 100])
    await reader.stop()
    await bus.disconnect()


async def test_an_unreachable_redis_stops_the_start_with_one_line() -> None:
    port = free_port()
    with pytest.raises(StartupError, match=f"Redis at 127.0.0.1:{port} cannot be reached"):
        await Bus(f"redis://127.0.0.1:{port}/0").connect()


@pytest.mark.parametrize("url", ["postgres://x", "redis-stream://x", "x"])
def test_another_scheme_stops_the_start_and_names_the_right_ones(url: str) -> None:
    with pytest.raises(StartupError, match="redis://host:port/db"):
        Bus(url)


async def test_a_lost_redis_is_told_to_the_publisher_and_to_status(redis_server: RedisServer) -> None:
    bus = Bus(redis_server.url)
    await bus.connect()
    reader = Reader(bus)
    await _ready(bus, reader)
    redis_server.kill()
    with pytest.raises(Unavailable):
        await bus.publish(batch(1))
    with pytest.raises(Unavailable):
        await bus.last_sequence()
    async with asyncio.timeout(SECONDS):
        while bus.is_connected:
            await asyncio.sleep(0.01)
    redis_server.start()
    async with asyncio.timeout(SECONDS):
        while not bus.is_connected:
            await asyncio.sleep(0.01)
    await bus.publish(batch(2))
    await reader.has([2])
    await reader.stop()
    await bus.disconnect()


def test_waits_grow_from_a_quarter_second_to_half_a_minute_and_begin_again() -> None:
    backoff = Backoff()
    waits = [backoff.next_seconds() for _ in range(200)]
    assert waits[0] == FIRST_SECONDS
    assert all(FIRST_SECONDS <= wait <= LONGEST_SECONDS for wait in waits)
    assert max(waits) > LONGEST_SECONDS / 2
    assert len({round(wait, 6) for wait in waits[20:]}) > 100  # spread, not the same for everybody
    assert any(later < earlier for earlier, later in pairwise(waits[20:]))
    backoff.reset()
    assert backoff.next_seconds() == FIRST_SECONDS
