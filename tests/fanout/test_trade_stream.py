"""`tradeStream`: every trade that a filter selects once, from any stored point to live, packed as the client asked."""

import asyncio
import itertools
from typing import Any

import pytest
from fanout.listening import Ended, Listener, Server, serve
from forks import forked, works
from live.feeding import SECONDS, SETTINGS, feed, mint, running_hub, truth, until
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.records import Batch, TradeRecord
from app.schema.trades import trade_id
from app.store.rows import to_time
from app.store.tables import trades as table
from app.store.writer import Writer
from app.store.writer_batch import Work

SEED = 7
MINT = mint(SEED)
STREAM = """subscription(
  $filter: TradeFilter, $start: StreamStart, $delivery: StreamDelivery, $commitment: Commitment
) {
  tradeStream(filter: $filter, start: $start, delivery: $delivery, commitment: $commitment) {
    cursor phase gap { dropped merged recoverFrom } head { slot } rolledBack
    trades { id signature cursor quoteAmount priceExact mintAddress commitment }
  }
}"""


async def _nothing(batch: Batch) -> None:
    """Nobody listens."""


async def stored(engine: AsyncEngine, of: str | None = None) -> list[TradeRecord]:
    return [trade for trade in (await truth(engine)).trades if of in (None, trade.mint)]


async def payload(listener: Listener) -> dict[str, Any]:
    found: dict[str, Any] = (await listener.data())["tradeStream"]
    return found


async def trades(listener: Listener, count: int) -> list[dict[str, Any]]:
    """The next `count` trades; heartbeats between them are passed over."""
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(SECONDS):
        while len(found) < count:
            found += (await payload(listener))["trades"]
    return found


async def _everything(listener: Listener, found: list[dict[str, Any]]) -> None:
    """Until the server ends it."""
    while True:
        found += await trades(listener, 1)


def signatures(records: list[TradeRecord]) -> list[str]:
    return [record.signature for record in records]


async def opened(server: Server, listener: Listener | None = None, **variables: object) -> Listener:
    return await server.live(STREAM, listener, **variables)


async def test_stored_then_live_once_each_and_the_phase_says_which(engine: AsyncEngine) -> None:
    await feed(engine, _nothing, SEED, 60)
    before = len(await stored(engine))
    async with running_hub(engine) as hub:
        listener = await opened(await serve(engine, hub), start={"slot": "0"})
        await feed(engine, hub.bus.publish, SEED, 120, start=60)
        expected = await stored(engine)
        got: list[tuple[str, str]] = []
        async with asyncio.timeout(SECONDS):
            while len(got) < len(expected):
                each = await payload(listener)
                got += [(each["phase"], trade["signature"]) for trade in each["trades"]]
        assert [signature for _, signature in got] == signatures(expected)
        assert [phase for phase, _ in got] == ["BACKFILL"] * before + ["LIVE"] * (len(expected) - before)


@pytest.mark.parametrize("place", [0, 20, 59])
async def test_any_cursor_goes_on_with_the_next_trade(engine: AsyncEngine, place: int) -> None:
    await feed(engine, _nothing, SEED, 120)
    expected = await stored(engine)
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        first = await opened(server, start={"slot": "0"}, delivery={"maxBatch": 1})
        cursor = ""
        for _ in range(place + 1):
            cursor = (await payload(first))["cursor"]
        again = await opened(server, start={"cursor": cursor})
        rest = expected[place + 1 :]
        assert [trade["signature"] for trade in await trades(again, len(rest))] == signatures(rest)


async def test_a_stream_starts_at_a_time_a_slot_or_the_newest_so_many(engine: AsyncEngine) -> None:
    await feed(engine, _nothing, SEED, 120)
    everything = await stored(engine)
    middle = everything[len(everything) // 2]
    starts: list[tuple[dict[str, object], list[TradeRecord]]] = [
        ({"slot": str(middle.slot)}, [each for each in everything if each.slot >= middle.slot]),
        (
            {"time": to_time(middle.block_time).isoformat().replace("+00:00", "Z")},
            [each for each in everything if each.block_time >= middle.block_time],
        ),
        ({"last": 7}, everything[-7:]),
        ({"last": 10_000}, everything),
    ]
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        for start, expected in starts:
            got = await trades(await opened(server, start=start), len(expected))
            assert [trade["signature"] for trade in got] == signatures(expected), start


async def test_a_filter_means_the_same_of_stored_and_live_trades(engine: AsyncEngine) -> None:
    chosen = {"or": [{"mintAddress": {"eq": MINT}}, {"side": "SELL"}], "quoteAmount": {"gte": 0.5}}
    await feed(engine, _nothing, SEED, 100)
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        listener = await opened(server, filter=chosen, start={"last": 10_000})
        await feed(engine, hub.bus.publish, SEED, 200, start=100)
        again = await opened(server, filter=chosen, start={"last": 10_000})
        expected = [
            each.signature
            for each in await stored(engine)
            if (each.mint == MINT or each.side.name == "SELL") and each.quote_amount >= 5 * 10**8
        ]
        assert 5 < len(expected) < 150
        for each in (listener, again):
            assert [trade["signature"] for trade in await trades(each, len(expected))] == expected


async def test_a_payload_holds_no_more_than_was_asked_for(engine: AsyncEngine) -> None:
    await feed(engine, _nothing, SEED, 100)
    async with running_hub(engine) as hub:
        listener = await opened(await serve(engine, hub), start={"slot": "0"}, delivery={"maxBatch": 4})
        await feed(engine, hub.bus.publish, SEED, 160, start=100)
        await trades(listener, len(await stored(engine)))
        assert {len(each.records) for each in listener.payloads} == {1, 2, 3, 4}


async def test_an_interval_lets_one_payload_through_at_a_time(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        listener = await opened(server, delivery={"intervalMs": 150, "maxBatch": 1_000})
        await feed(engine, hub.bus.publish, SEED, 120)
        expected = await stored(engine)
        got = await trades(listener, len(expected))
        assert [trade["signature"] for trade in got] == signatures(expected)
        assert 1 < len(listener.times) < 20
        assert all(later - earlier > 0.14 for earlier, later in itertools.pairwise(listener.times))


async def test_a_cursor_of_a_trade_that_waits_for_its_turn_repeats_nothing(engine: AsyncEngine) -> None:
    paced = {"intervalMs": 1_500, "maxBatch": 1_000}
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        first = await opened(server, delivery=paced, start={"last": 0})
        await feed(engine, hub.bus.publish, SEED, 60)
        known = await stored(engine)
        await until(lambda: hub.sequence >= known[-1].sequence)
        again = server.listen(STREAM, delivery=paced, start={"cursor": server.cursor(known[-1].sequence)})
        assert len(await trades(first, len(known))) == len(known)
        await until(lambda: again.task is not None and again.task.done())
        await feed(engine, hub.bus.publish, SEED, 90, start=60)
        new = (await stored(engine))[len(known) :]
        assert [trade["signature"] for trade in await trades(again, len(new))] == signatures(new)


async def test_merged_trades_add_up_and_say_how_many_they_are(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        listener = await opened(
            await serve(engine, hub), delivery={"intervalMs": 200, "maxBatch": 1_000, "conflate": True}
        )
        await feed(engine, hub.bus.publish, SEED, 120)
        expected = await stored(engine)
        quote, count = 0, 0
        async with asyncio.timeout(SECONDS):
            while count < len(expected):
                each = await payload(listener)
                quote += sum(int(trade["quoteAmount"]) for trade in each["trades"])
                count += len(each["trades"]) + (each["gap"] or {"merged": 0})["merged"]
        assert count == len(expected)
        assert quote == sum(trade.quote_amount for trade in expected)


async def test_a_quiet_stream_beats_and_its_cursor_goes_on(engine: AsyncEngine) -> None:
    await feed(engine, _nothing, SEED, 40)
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        listener = await opened(server, delivery={"heartbeatMs": 100})
        beat = await payload(listener)
        assert beat["trades"] == []
        known = await stored(engine)
        await feed(engine, hub.bus.publish, SEED, 80, start=40)
        new = (await stored(engine))[len(known) :]
        resumed = await opened(server, start={"cursor": beat["cursor"]})
        assert [trade["signature"] for trade in await trades(resumed, len(new))] == signatures(new)


@pytest.mark.parametrize("policy", ["DROP_OLDEST", "CONFLATE"])
async def test_who_falls_behind_by_choice_is_told_what_is_missing(engine: AsyncEngine, policy: str) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub, limit=5)
        slow = await opened(server, Listener(room=1), delivery={"overflow": policy, "maxBatch": 1})
        await feed(engine, hub.bus.publish, SEED, 120)
        expected = await stored(engine)
        await until(lambda: hub.sequence >= expected[-1].sequence)
        told = [await payload(slow)]
        async with asyncio.timeout(SECONDS):
            while told[-1]["trades"][-1]["signature"] != expected[-1].signature:
                told.append(await payload(slow))
        lost = sum(each["gap"]["dropped"] + each["gap"]["merged"] for each in told if each["gap"])
        assert lost + sum(len(each["trades"]) for each in told) == len(expected)
        place = next(index for index, each in enumerate(told) if each["gap"])
        mended = await opened(server, start={"cursor": told[place]["gap"]["recoverFrom"]})
        rest = expected[sum(len(each["trades"]) for each in told[:place]) :]
        assert [trade["signature"] for trade in await trades(mended, len(rest))] == signatures(rest)


async def test_a_stream_that_does_not_choose_is_ended_with_its_cursor(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub, limit=5)
        slow = await opened(server, Listener(room=1), delivery={"maxBatch": 1})
        await feed(engine, hub.bus.publish, SEED, 80)
        expected = await stored(engine)
        await until(lambda: hub.sequence >= expected[-1].sequence)
        first: list[dict[str, Any]] = []
        with pytest.raises(Ended) as ended:
            await _everything(slow, first)
        assert ended.value.extensions["code"] == "LAGGED"
        again = await opened(server, start={"cursor": ended.value.extensions["cursor"]})
        rest = await trades(again, len(expected) - len(first))
        assert [trade["signature"] for trade in [*first, *rest]] == signatures(expected)


async def test_a_cursor_that_retention_passed_names_the_oldest_that_is_left(engine: AsyncEngine) -> None:
    await feed(engine, _nothing, SEED, 120)
    everything = await stored(engine)
    dropped, kept = everything[:40], everything[40:]
    async with engine.begin() as connection:
        await connection.execute(delete(table).where(table.c.sequence <= dropped[-1].sequence))
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        late = await opened(server, start={"cursor": server.cursor(dropped[3].sequence)})
        with pytest.raises(Ended) as ended:
            await late.read()
        assert ended.value.extensions["code"] == "CURSOR_EXPIRED"
        again = await opened(server, start={"cursor": ended.value.extensions["cursor"]})
        assert [trade["signature"] for trade in await trades(again, len(kept))] == signatures(kept)


FORK = forked(11, depth=5)


async def test_what_a_fork_takes_back_is_told_by_id_to_who_had_it(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        listener = await opened(server, commitment="PROCESSED")
        async with Writer(engine, SETTINGS, source="test", is_simulated=False) as writer:
            for work in [*works(FORK.trunk, 40), *works(FORK.gone, 6)]:
                await hub.bus.publish((await writer.write(work)).batch)
            had = await trades(listener, len(await stored(engine)))
            cursor = listener.payloads[-1].cursor
            await hub.bus.publish((await writer.write(Work(retracted=FORK.retracted))).batch)
            gone = {trade["id"] for trade in had} - {
                trade_id(each.block_time, each.identity) for each in await stored(engine)
            }
            assert gone
            assert set((await payload(listener))["rolledBack"]) == gone
            late = await opened(server, commitment="PROCESSED", start={"cursor": cursor})
            assert set((await payload(late))["rolledBack"]) == gone


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"delivery": {"maxBatch": 0}}, "`delivery.maxBatch` must be 1 to 1,000."),
        ({"delivery": {"intervalMs": -1}}, "`delivery.intervalMs` must be 0 to 60,000."),
        ({"delivery": {"conflate": True}}, "`delivery.conflate` merges inside an interval"),
        ({"start": {"last": 10_001}}, "`start.last` must be 0 to 10,000"),
        ({"start": {"cursor": "x", "last": 1}}, "must specify exactly one key"),
    ],
)
async def test_a_wrong_argument_is_told_before_anything_is_sent(
    engine: AsyncEngine, variables: dict[str, Any], told: str
) -> None:
    async with running_hub(engine) as hub:
        listener = await opened(await serve(engine, hub), **variables)
        with pytest.raises(Ended) as ended:
            await listener.read()
        assert told in ended.value.errors[0]["message"]
        assert ended.value.extensions["code"] == "BAD_USER_INPUT"
