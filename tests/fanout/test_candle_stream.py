"""`candleStream`: the history that was asked for, then changed candles, which add up to what a query answers."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest
from asking import Asked
from factories import SLOT0, T0, address, signature, trade
from fanout.listening import Ended, Listener, Server, serve
from forks import forked, works
from live.feeding import SECONDS, SETTINGS, feed, mint, running_hub, trades_of
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.events import Event
from app.domain.records import Batch
from app.live.hub import Hub
from app.store.rows import to_time
from app.store.writer import Writer
from app.store.writer_batch import Work

SEED = 7
MINT = mint(SEED)
CANDLE = """time open high low close volume volumeSol buyVolume trades buys sells traders isFinal revision isFilled"""
ARGUMENTS = (
    "mintAddress: $mint, interval: $interval, countback: $countback, unit: $unit, fill: $fill, program: $program"
)
DECLARED = """$mint: String!, $interval: ChartInterval!, $countback: Int = 5000, $unit: ChartUnit = USD,
  $fill: CandleFill = NONE, $program: TradeProgram"""
STREAM = f"""subscription({DECLARED}, $start: StreamStart, $delivery: StreamDelivery) {{
  candleStream({ARGUMENTS}, start: $start, delivery: $delivery) {{
    cursor phase gap {{ dropped merged }} head {{ slot }} mintAddress candles {{ {CANDLE} }}
  }}
}}"""
QUERY = f"query({DECLARED}) {{ candles({ARGUMENTS}) {{ {CANDLE} }} }}"
Candles = dict[int, dict[str, Any]]


async def _nothing(batch: Batch) -> None:
    """Nobody listens."""


async def payload(listener: Listener) -> dict[str, Any]:
    found: dict[str, Any] = (await listener.data())["candleStream"]
    return found


async def opened(server: Server, listener: Listener | None = None, **variables: Any) -> Listener:
    return await server.live(STREAM, listener, **{"mint": MINT, "interval": "M1", **variables})


async def queried(server: Server, **variables: Any) -> Candles:
    asked = Asked(server.hub.engine, server.cursors, SETTINGS, [])
    data = await asked.answer(QUERY, **{"mint": MINT, "interval": "M1", **variables})
    return {each["time"]: each for each in data["candles"]}


def apply(chart: Candles, candles: Sequence[dict[str, Any]], *, is_filled: bool = False) -> None:
    """As a client does: the newest of each time; one that a fork emptied is taken away, unless gaps are filled."""
    for each in candles:
        known = chart.get(each["time"])
        if known is not None and not each["isFilled"]:
            assert each["revision"] > known["revision"] or each == known
        chart[each["time"]] = each
        if each["isFilled"] and not is_filled:
            del chart[each["time"]]


async def becomes(listener: Listener, chart: Candles, expected: Candles, *, is_filled: bool = False) -> None:
    """Reads until the chart is what was expected."""
    async with asyncio.timeout(SECONDS):
        while chart != expected:
            apply(chart, (await payload(listener))["candles"], is_filled=is_filled)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"interval": "S15", "unit": "QUOTE"},
        {"interval": "M5", "fill": "PREVIOUS_CLOSE"},
        {"interval": "S5", "fill": "PREVIOUS_CLOSE", "unit": "MARKET_CAP_USD"},
        {"interval": "H1", "program": "AMM_POOL"},
    ],
)
async def test_history_and_changes_are_what_a_query_answers(engine: AsyncEngine, variables: dict[str, Any]) -> None:
    is_filled = "fill" in variables
    await feed(engine, _nothing, SEED, 60)
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        chart: Candles = {}
        listener = await opened(server, **variables)
        await becomes(listener, chart, await queried(server, **variables), is_filled=is_filled)
        await feed(engine, hub.bus.publish, SEED, 140, start=60)
        expected = await queried(server, **variables)
        assert len(expected) > len(chart) or variables["interval"] == "H1"
        await becomes(listener, chart, expected, is_filled=is_filled)


async def _written(hub: Hub, writer: Writer, works: Sequence[Work]) -> None:
    for work in works:
        await hub.bus.publish((await writer.write(work)).batch)


@pytest.mark.parametrize("seed", [11, 12])
@pytest.mark.parametrize("variables", [{}, {"interval": "S15", "fill": "PREVIOUS_CLOSE"}])
async def test_late_trades_and_forks_end_with_what_a_query_answers(
    engine: AsyncEngine, seed: int, variables: dict[str, Any]
) -> None:
    fork, is_filled = forked(seed, depth=8), "fill" in variables
    mints = [mint(seed, number) for number in range(3)]
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        listeners = [await opened(server, mint=each, **variables) for each in mints]
        late = await opened(server, mint=mints[0], countback=0, **variables)
        story = sorted(fork.trunk, key=lambda each: random.Random(str(each[0].identity)).randrange(3))
        async with Writer(engine, SETTINGS, source="test", is_simulated=False) as writer:
            await _written(hub, writer, works(story, 12))
            await _written(hub, writer, works(fork.gone, 3))
            await _written(hub, writer, works(fork.stays, 4, retracted=fork.retracted))
            end = trade(mint=address("other"), signature=signature("end"), slot=SLOT0 + 400, block_time=T0 + 9_000)
            await _written(hub, writer, [Work(events=[end])])
        charts: list[Candles] = [{} for _ in mints]
        for each, chart, listener in zip(mints, charts, listeners, strict=True):
            await becomes(listener, chart, await queried(server, mint=each, **variables), is_filled=is_filled)
        assert any(candle["revision"] > 2 * candle["trades"] + 1 for chart in charts for candle in chart.values())
        await becomes(late, {}, charts[0], is_filled=is_filled)


async def test_a_candle_is_final_when_the_chain_has_passed_it_though_nothing_trades(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        listener = await opened(server)
        async with Writer(engine, SETTINGS, source="test", is_simulated=True) as writer:
            await _written(hub, writer, [Work(events=[trade(mint=MINT, block_time=T0)])])
            (first,) = (await payload(listener))["candles"]
            other = trade(mint=mint(SEED, 1), signature=signature("other"), block_time=T0 + 60, slot=SLOT0 + 150)
            await _written(hub, writer, [Work(events=[other])])
            (second,) = (await payload(listener))["candles"]
        assert (first["isFinal"], second["isFinal"]) == (False, True)
        assert second == first | {"isFinal": True, "revision": first["revision"] + 1}


async def test_a_late_trade_sends_its_candle_again(engine: AsyncEngine) -> None:
    await feed(engine, _nothing, SEED, 100)
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        before = await queried(server)
        listener = await opened(server, countback=0)
        time = min(before)
        late = trade(mint=MINT, signature=signature("late"), block_time=time + 1, slot=SLOT0)
        async with Writer(engine, SETTINGS, source="test", is_simulated=True) as writer:
            await _written(hub, writer, [Work(events=[late])])
        (again,) = (await payload(listener))["candles"]
        assert again["time"] == time
        assert again["trades"] == before[time]["trades"] + 1
        assert again["revision"] > before[time]["revision"]
        assert again == (await queried(server))[time]


async def test_a_cursor_resumes_with_the_candles_that_changed_since(engine: AsyncEngine) -> None:
    await feed(engine, _nothing, SEED, 100)
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        chart, first = dict[int, dict[str, Any]](), await opened(server, delivery={"maxBatch": 1_000})
        told = await payload(first)
        apply(chart, told["candles"])
        known = dict(chart)
        await first.stop()
        late = trade(mint=MINT, signature=signature("late"), block_time=min(chart) + 1, slot=SLOT0)
        async with Writer(engine, SETTINGS, source="test", is_simulated=True) as writer:
            await _written(hub, writer, [Work(events=[late])])
        await feed(engine, hub.bus.publish, SEED, 130, start=100)
        again = await opened(server, start={"cursor": told["cursor"]})
        resumed = await payload(again)
        apply(chart, resumed["candles"])
        expected = await queried(server)
        assert chart == expected
        assert {each["time"] for each in resumed["candles"]} >= {
            time for time, each in expected.items() if known.get(time) != each
        }
        assert len(resumed["candles"]) < len(expected)


async def test_history_cut_short_is_not_taken_for_complete(engine: AsyncEngine) -> None:
    await feed(engine, _nothing, SEED, 100)
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        expected = await queried(server)
        assert len(expected) > 4
        listener = await opened(server, delivery={"maxBatch": 3})
        part = await payload(listener)
        again = await opened(server, start={"cursor": part["cursor"]})
        await becomes(again, {}, expected)


async def test_a_stream_starts_at_a_time_a_slot_or_the_newest_so_many(engine: AsyncEngine) -> None:
    await feed(engine, _nothing, SEED, 140)
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        everything = await queried(server)
        times = sorted(everything)
        middle = times[len(times) // 2]
        later = {time: everything[time] for time in times if time >= middle}
        slot = min(each.slot for each in await trades_of(engine, MINT) if each.block_time >= middle)
        for start, expected in (
            ({"time": to_time(middle + 20).isoformat().replace("+00:00", "Z")}, later),
            ({"slot": str(slot)}, later),
            ({"last": 2}, {time: everything[time] for time in times[-2:]}),
        ):
            listener = await opened(server, start=start)
            told = await payload(listener)
            assert {each["time"]: each for each in told["candles"]} == expected, start
            assert told["phase"] == "BACKFILL"


async def test_many_charts_are_read_by_one_statement(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        mints = [mint(SEED, number) for number in range(20)]
        listeners = [await opened(server, mint=each, countback=0) for each in mints]
        events: list[Event] = [trade(mint=each, signature=signature(each), block_time=T0) for each in mints]
        async with Writer(engine, SETTINGS, source="test", is_simulated=True) as writer:
            batch = (await writer.write(Work(events=events))).batch
            with Asked(engine, server.cursors, SETTINGS, []).statements() as statements:
                await hub.bus.publish(batch)
                for each in listeners:
                    await payload(each)
        assert len([each for each in statements if "FROM candles_1m" in each or "JOIN candles_1m" in each]) == 1


async def test_a_quiet_chart_beats_and_its_cursor_goes_on(engine: AsyncEngine) -> None:
    await feed(engine, _nothing, SEED, 100)
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        listener = await opened(server, countback=0, delivery={"heartbeatMs": 100})
        beat = await payload(listener)
        assert (beat["candles"], beat["mintAddress"]) == ([], MINT)
        resumed = await payload(await opened(server, start={"cursor": beat["cursor"]}))
        assert len(resumed["candles"]) == 1, "only the newest candle can have become final since"


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"countback": 5_001}, "`countback` must be 0 to 5,000"),
        ({"start": {"last": 5_001}}, "`start.last` must be 0 to 5,000"),
        ({"interval": "S1", "start": {"time": "2020-01-01T00:00:00Z"}}, "more than 5000 candles"),
        ({"mint": "x"}, "`mintAddress` must be a Solana address"),
    ],
)
async def test_a_wrong_argument_is_told(engine: AsyncEngine, variables: dict[str, Any], told: str) -> None:
    await feed(engine, _nothing, SEED, 10)
    async with running_hub(engine) as hub:
        listener = await opened(await serve(engine, hub), **variables)
        with pytest.raises(Ended) as ended:
            await listener.read()
        assert told in ended.value.errors[0]["message"]
        assert ended.value.extensions["code"] == "BAD_USER_INPUT"
