"""The feeds of a hub over a real store: each commitment gets every record once, in the order of the feed."""

import asyncio
from collections.abc import Sequence

import msgspec
import pytest
from factories import SLOT0, T0, address, launch, market, migration, trade
from forks import forked, works
from live.feeding import SETTINGS, mint, running_hub, until
from live.feeding import feed as feed_market
from live.noting import Noting
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncEngine

from app.bus.codec import decode, encode
from app.domain.events import Event, Rate
from app.domain.programs import WSOL, Commitment
from app.domain.records import Batch, GraduationRecord, TokenRecord, TradeRecord
from app.errors import Unavailable
from app.live.feeds import Feed
from app.live.hub import Hub
from app.live.keys import TokenState
from app.live.moment import Moment
from app.live.routing import MINT, Condition
from app.store.feed import read_batch, read_certain_sequence
from app.store.tables import trades
from app.store.writer import Writer
from app.store.writer_batch import Work

PROCESSED, CONFIRMED, FINALIZED = Commitment.PROCESSED, Commitment.CONFIRMED, Commitment.FINALIZED
SEED = 7


async def write(engine: AsyncEngine, *works: Work) -> list[Batch]:
    async with Writer(engine, SETTINGS, source="test", is_simulated=False) as writer:
        return [(await writer.write(work)).batch for work in works]


async def announce(hub: Hub, batches: list[Batch]) -> None:
    for each in batches:
        await hub.bus.publish(decode(encode(each)))


def as_told(story: list[Event], commitment: Commitment) -> list[Event]:
    return [msgspec.structs.replace(event, commitment=commitment) for event in story]


def subscribed(feed: Feed) -> Noting[TradeRecord]:
    subscriber = Noting[TradeRecord]()
    feed.trades.join(subscriber, Condition())
    return subscriber


def trades_in(slots: range, commitment: Commitment = CONFIRMED) -> list[Event]:
    return [
        trade(mint=address("one"), slot=SLOT0 + n, block_time=T0 + n, commitment=commitment, transaction_index=n)
        for n in slots
    ]


async def stored(engine: AsyncEngine) -> Batch:
    everything = await read_batch(engine, 0)
    assert everything is not None
    return everything


async def test_every_kind_reaches_its_router_through_the_bus(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        feed = hub.feed(CONFIRMED)
        own, launches, graduations = Noting[TradeRecord](), Noting[TokenRecord](), Noting[GraduationRecord]()
        states = Noting[TokenState]()
        feed.trades.join(own, Condition(keys=frozenset({(MINT, mint(SEED))})))
        feed.launches.join(launches, Condition())
        feed.graduations.join(graduations, Condition())
        hub.states.join(states, Condition(keys=frozenset({(MINT, mint(SEED))})))
        await feed_market(engine, hub.bus.publish, SEED, 300)
        expected = await stored(engine)
        await until(lambda: feed.sequence == expected.last_sequence)
        assert own.got == [each for each in expected.trades if each.mint == mint(SEED)]
        assert tuple(each.launch_sequence for each in launches.got) == expected.launches
        assert graduations.got == [*expected.graduations]
        assert len(expected.graduations) > 1
        assert states.got[-1].token == next(each for each in expected.tokens if each.mint == mint(SEED))


async def test_what_the_bus_loses_reaches_every_feed_from_the_store(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub, hub.using(FINALIZED) as finalized:
        feeds = [hub.feed(PROCESSED), hub.feed(CONFIRMED), finalized]
        subscribers = [subscribed(feed) for feed in feeds]
        await write(engine, Work(trades_in(range(9)), finalized_slot=SLOT0 + 5))
        await until(lambda: hub.sequence == 9)
        assert [[each.sequence for each in one.got] for one in subscribers] == [[*range(1, 10)], [*range(1, 10)], []]
        await write(engine, Work(trades_in(range(9, 10)), finalized_slot=SLOT0 + 9))
        await until(lambda: hub.sequence == 10)
        assert [each.sequence for each in subscribers[2].got] == [*range(1, 11)]
        assert hub.repairs


async def test_the_confirmed_feed_of_a_processed_source_goes_on_when_trades_come_again(engine: AsyncEngine) -> None:
    story: list[Event] = [
        launch(mint=address("one"), commitment=PROCESSED),
        *trades_in(range(1, 4), PROCESSED),
        migration(mint=address("one"), slot=SLOT0 + 4, block_time=T0 + 4, commitment=PROCESSED),
    ]
    async with running_hub(engine) as hub:
        feed, launches, graduations = hub.feed(CONFIRMED), Noting[TokenRecord](), Noting[GraduationRecord]()
        feed.launches.join(launches, Condition())
        feed.graduations.join(graduations, Condition())
        subscriber = subscribed(feed)
        first = await write(engine, Work(story))
        await announce(hub, first)
        await until(lambda: hub.sequence == 5)
        assert feed.sequence == 0
        await announce(hub, await write(engine, Work(as_told(story, CONFIRMED))))
        await until(lambda: feed.sequence == 5)
        assert [(each.sequence, each.commitment) for each in subscriber.got] == [(n, CONFIRMED) for n in (2, 3, 4)]
        assert [each.launch_sequence for each in launches.got] == [1]
        assert [(each.sequence, each.commitment) for each in graduations.got] == [(5, CONFIRMED)]


async def test_a_hub_that_starts_holds_back_what_is_stored_and_not_confirmed(engine: AsyncEngine) -> None:
    early = trades_in(range(3, 5), PROCESSED)
    await write(engine, Work(trades_in(range(3))), Work(early), Work(trades_in(range(5, 6))))
    async with running_hub(engine) as hub:
        assert hub.feed(PROCESSED).sequence == 6
        feed = hub.feed(CONFIRMED)
        subscriber = subscribed(feed)
        assert feed.sequence == 3
        await announce(hub, await write(engine, Work(as_told(early, CONFIRMED))))
        await until(lambda: feed.sequence == 6)
        assert [each.sequence for each in subscriber.got] == [4, 5, 6]


async def test_the_finalized_feed_begins_where_all_that_is_stored_is_final(engine: AsyncEngine) -> None:
    await write(engine, Work(trades_in(range(10)), finalized_slot=SLOT0 + 6))
    assert await read_certain_sequence(engine, FINALIZED) == 7
    async with running_hub(engine) as hub:
        with pytest.raises(Unavailable):
            hub.feed(FINALIZED)
        async with hub.using(FINALIZED) as feed, hub.using(FINALIZED) as same:
            assert feed is same is hub.feed(FINALIZED)
            subscriber = subscribed(feed)
            assert (feed.sequence, feed.waiting) == (7, 3)
            await announce(hub, await write(engine, Work(trades_in(range(10, 12)), finalized_slot=SLOT0 + 10)))
            await until(lambda: feed.sequence == 11 or hub.sequence == 12)
            await announce(hub, await write(engine, Work(finalized_slot=SLOT0 + 11)))
            await until(lambda: feed.sequence == 12)
            assert [(each.sequence, each.commitment) for each in subscriber.got] == [
                (n, FINALIZED) for n in range(8, 13)
            ]
        with pytest.raises(Unavailable):
            hub.feed(FINALIZED)


async def test_records_that_arrive_while_the_finalized_feed_is_filled_are_in_it(engine: AsyncEngine) -> None:
    await write(engine, Work(trades_in(range(600))))
    async with running_hub(engine) as hub:
        opening = asyncio.create_task(hub.open(FINALIZED))
        story = trades_in(range(600, 640))
        for start in range(0, 40, 4):
            await announce(hub, await write(engine, Work(story[start : start + 4])))
        feed = await opening
        subscriber = subscribed(feed)
        await announce(hub, await write(engine, Work(trades_in(range(640, 641)), finalized_slot=SLOT0 + 640)))
        await until(lambda: feed.sequence == 641)
        assert [each.sequence for each in subscriber.got] == [*range(1, 642)]
        hub.release(feed)


async def test_a_feed_that_would_hold_back_too_much_is_refused_and_comes_back(engine: AsyncEngine) -> None:
    await write(engine, Work(trades_in(range(20))))
    async with running_hub(engine, most_waiting=10) as hub:
        with pytest.raises(Unavailable, match="not FINALIZED yet"):
            await hub.open(FINALIZED)
        feed = hub.feed(CONFIRMED)
        subscriber = subscribed(feed)
        early = trades_in(range(20, 40), PROCESSED)
        await announce(hub, await write(engine, Work(early)))
        await until(lambda: subscriber.is_closed)
        with pytest.raises(Unavailable):
            hub.feed(CONFIRMED)
        await announce(hub, await write(engine, Work(as_told(early, CONFIRMED))))
        await until(lambda: is_open(hub))
        assert hub.feed(CONFIRMED).sequence == 40


def is_open(hub: Hub) -> bool:
    try:
        return not hub.feed(CONFIRMED).is_closed
    except Unavailable:
        return False


async def test_a_step_tells_the_newest_rates_head_and_tokens(engine: AsyncEngine) -> None:
    moments: list[Moment] = []

    class Keeping(Noting[TradeRecord]):
        def take(self, records: Sequence[TradeRecord], moment: Moment) -> None:
            moments.append(moment)

    async with running_hub(engine) as hub:
        hub.feed(CONFIRMED).trades.join(Keeping(), Condition())
        rate = Rate(WSOL, T0, "151.5")
        (batch,) = await write(engine, Work(trades_in(range(1)), rates=[rate]))
        await announce(hub, [batch])
        await until(lambda: bool(moments))
        (moment,) = moments
        assert (moment.sequence, moment.head, dict(moment.rates)) == (1, batch.head, {WSOL: rate})
        assert moment.tokens == {token.mint: token for token in batch.tokens}


async def test_the_end_of_a_hub_is_told_to_every_subscriber(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub, hub.using(FINALIZED) as finalized:
        subscribers = [subscribed(feed) for feed in (hub.feed(PROCESSED), hub.feed(CONFIRMED), finalized)]
        states = Noting[TokenState]()
        hub.states.join(states, Condition())
        await hub.stop()
        assert all(each.is_closed for each in subscribers)
        assert states.is_closed


async def test_a_hub_knows_the_oldest_cursor_that_is_left(engine: AsyncEngine) -> None:
    late = trade(mint=address("one"), slot=SLOT0 + 9, block_time=T0 + 2 * 86_400)
    await write(engine, Work(trades_in(range(3))), Work([late]))
    async with engine.begin() as connection:
        await connection.execute(delete(trades).where(trades.c.sequence <= 3))
    async with running_hub(engine) as hub:
        assert await hub.oldest() == 3


@pytest.mark.parametrize("is_lost", [False, True], ids=["told by the bus", "read from the store"])
async def test_trades_that_leave_the_chain_are_told_to_who_had_them(engine: AsyncEngine, is_lost: bool) -> None:
    fork = forked(11, depth=5)
    before = await write(engine, *works(fork.trunk, 40))
    async with running_hub(engine) as hub:
        subscriber = subscribed(hub.feed(CONFIRMED))
        gone = await write(engine, *works(fork.gone, 6))
        await announce(hub, gone)
        await until(lambda: hub.sequence == gone[-1].last_sequence)
        after = await write(engine, *works(fork.stays, 6, retracted=fork.retracted))
        if not is_lost:
            await announce(hub, after)
        await until(lambda: hub.feed(CONFIRMED).sequence == after[-1].last_sequence)
        withdrawn = {trade.sequence for each in gone for trade in each.trades}
        assert {each.sequence for each in subscriber.gone} == withdrawn
        assert len(subscriber.gone) == len(withdrawn)
        left = [each for each in subscriber.got if each.sequence not in withdrawn]
        everything = await read_batch(engine, before[-1].last_sequence)
        assert everything is not None
        assert [each.sequence for each in left] == [each.sequence for each in everything.trades]


@pytest.mark.parametrize("commitment", [PROCESSED, CONFIRMED, FINALIZED])
async def test_a_market_reaches_each_feed_whole_whatever_the_certainty_of_its_parts(
    engine: AsyncEngine, commitment: Commitment
) -> None:
    """Every third event comes as processed first; slots become final as the story goes."""
    story = [event for event, _ in market(SEED, 120)]
    async with running_hub(engine) as hub, hub.using(commitment) as feed:
        subscriber = subscribed(feed)
        for start in range(0, len(story), 10):
            part = story[start : start + 10]
            told = [as_told([event], PROCESSED if n % 3 else CONFIRMED)[0] for n, event in enumerate(part)]
            await announce(hub, await write(engine, Work(told)))
            await announce(hub, await write(engine, Work(as_told(part[:5], CONFIRMED), finalized_slot=part[0].slot)))
        await announce(hub, await write(engine, Work(finalized_slot=story[-1].slot)))
        expected = await stored(engine)
        await until(lambda: feed.sequence == expected.last_sequence)
        assert [each.sequence for each in subscriber.got] == [each.sequence for each in expected.trades]
        assert all(each.commitment >= commitment for each in subscriber.got)
        assert feed.waiting == 0
