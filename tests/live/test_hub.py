"""Whatever happens to the bus, a subscriber gets each record once and in the order of the feed."""

from collections.abc import AsyncIterator

import pytest
from fanout.listening import GRADUATIONS, LAUNCHES, TRADES, Listener, serve
from live.feeding import feed, mint, running_hub, trades_of, truth, until
from redis import asyncio as redis
from servers import RedisServer
from sqlalchemy.ext.asyncio import AsyncEngine

from app.bus.feed import Bus
from app.bus.topics import FEED
from app.domain.programs import Commitment
from app.domain.records import Batch
from app.live.hub import Hub

SEED = 7
MINT = mint(SEED)


async def collect(engine: AsyncEngine, hub: Hub, of: str = MINT) -> Listener:
    return await (await serve(engine, hub)).live(TRADES, mint=of)


async def _nothing(batch: Batch) -> None:
    """A bus that loses everything."""


@pytest.fixture
async def publisher(redis_server: RedisServer) -> AsyncIterator[Bus]:
    bus = Bus(redis_server.url)
    await bus.connect()
    yield bus
    await bus.disconnect()


async def test_subscribers_get_their_own_mint_as_it_is_committed(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        own, other = await collect(engine, hub), await collect(engine, hub, of=mint(SEED, 1))
        await feed(engine, hub.bus.publish, SEED, 80)
        await own.has(await trades_of(engine, MINT))
        await other.has(await trades_of(engine, mint(SEED, 1)))
        await own.stop()
        await other.stop()
        assert hub.feed(Commitment.CONFIRMED).subscribers == 0
        assert hub.repairs == 0


async def test_launches_and_graduations_reach_their_streams(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        graduated, launched = await server.live(GRADUATIONS), await server.live(LAUNCHES)
        await feed(engine, hub.bus.publish, SEED, 300)
        stored = await truth(engine)
        assert len(stored.launches) > 1
        assert len(stored.graduations) > 1
        assert await graduated.records(len(stored.graduations)) == [*stored.graduations]
        got = await launched.records(len(stored.launches))
        assert tuple(token.launch_sequence for token in got) == stored.launches


async def test_what_the_bus_loses_is_read_from_the_store_even_the_last_message(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        subscriber = await collect(engine, hub)
        await feed(engine, _nothing, SEED, 60)
        await subscriber.has(await trades_of(engine, MINT))
        assert hub.repairs
        await subscriber.stop()


async def test_a_message_that_comes_twice_or_late_is_delivered_once(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        subscriber = await collect(engine, hub)
        held: list[Batch] = []

        async def spoiled(batch: Batch) -> None:
            held.append(batch)
            if len(held) % 3 == 0:
                for each in (held[-1], held[-1], held[-3], held[-2]):
                    await hub.bus.publish(each)

        await feed(engine, spoiled, SEED, 90)
        await subscriber.has(await trades_of(engine, MINT))
        await subscriber.stop()


async def test_redis_killed_and_restarted_costs_no_record(
    engine: AsyncEngine, redis_server: RedisServer, publisher: Bus
) -> None:
    async with running_hub(engine, redis_server.url) as hub:
        subscriber = await collect(engine, hub)
        await feed(engine, publisher.publish, SEED, 40)
        redis_server.kill()
        await feed(engine, _nothing, SEED, 60, start=40)
        await until(lambda: not hub.bus.is_connected)
        await subscriber.has(await trades_of(engine, MINT))  # from Postgres, while Redis is away
        redis_server.start()
        await until(lambda: hub.bus.is_connected)
        await feed(engine, publisher.publish, SEED, 90, start=60)
        await subscriber.has(await trades_of(engine, MINT))
        await subscriber.stop()


async def test_flushall_costs_no_record_and_the_bus_goes_on(
    engine: AsyncEngine, redis_server: RedisServer, publisher: Bus
) -> None:
    async with running_hub(engine, redis_server.url) as hub, redis.Redis.from_url(redis_server.url) as admin:
        subscriber = await collect(engine, hub)

        async def flushed(batch: Batch) -> None:
            await publisher.publish(batch)
            if batch.last_sequence % 2:
                await admin.flushall()

        await feed(engine, flushed, SEED, 60)
        await subscriber.has(await trades_of(engine, MINT))
        repairs = hub.repairs
        await feed(engine, publisher.publish, SEED, 90, start=60)
        await subscriber.has(await trades_of(engine, MINT))
        assert hub.repairs <= repairs + 1  # the last flush may have taken the tail; what followed came by the bus
        await subscriber.stop()


async def test_ids_that_start_again_after_a_flush_are_read_too(
    engine: AsyncEngine, redis_server: RedisServer, publisher: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_hub(engine, redis_server.url) as hub, redis.Redis.from_url(redis_server.url) as admin:
        far_ahead = f"{2**50}-0"
        await admin.xadd(FEED, {"batch": b"not a batch", "last": 0}, id=far_ahead)
        subscriber = await collect(engine, hub)
        await until(lambda: "unreadable entry" in caplog.text)
        await admin.flushall()
        await feed(engine, publisher.publish, SEED, 60)
        await subscriber.has(await trades_of(engine, MINT))
        await subscriber.stop()


async def test_a_trim_past_the_reader_costs_no_record(engine: AsyncEngine, redis_server: RedisServer) -> None:
    publisher = Bus(redis_server.url, max_batches=1)
    await publisher.connect()
    async with running_hub(engine, redis_server.url) as hub, redis.Redis.from_url(redis_server.url) as admin:
        subscriber = await collect(engine, hub)

        async def trimmed(batch: Batch) -> None:
            await publisher.publish(batch)
            await admin.xtrim(FEED, maxlen=0, approximate=False)

        await feed(engine, trimmed, SEED, 60)
        await subscriber.has(await trades_of(engine, MINT))
        await subscriber.stop()
    await publisher.disconnect()


async def test_two_processes_on_one_redis_deliver_the_same(
    engine: AsyncEngine, redis_server: RedisServer, publisher: Bus
) -> None:
    async with running_hub(engine, redis_server.url) as one, running_hub(engine, redis_server.url) as two:
        subscribers = [await collect(engine, one), await collect(engine, two)]
        await feed(engine, publisher.publish, SEED, 90)
        for subscriber in subscribers:
            await subscriber.has(await trades_of(engine, MINT))
            await subscriber.stop()


async def test_the_stream_in_redis_keeps_to_its_length(engine: AsyncEngine, redis_server: RedisServer) -> None:
    bus = Bus(redis_server.url, max_batches=10)
    await bus.connect()
    await feed(engine, bus.publish, SEED, 600)
    async with redis.Redis.from_url(redis_server.url) as admin:
        # Redis trims whole nodes of 100 entries.
        assert await admin.xlen(FEED) <= 110
    assert await bus.last_sequence() == (await truth(engine, 500)).last_sequence
    await bus.disconnect()
