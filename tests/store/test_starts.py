"""Where a stream starts in what is stored: every record that it asks for, in the order of the feed, and none twice."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from factories import SLOT0, T0, address, launch, market, trade
from forks import forked, works
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.events import Event
from app.domain.programs import Side
from app.domain.records import Batch, TokenRecord
from app.settings import Settings
from app.store import starts
from app.store.feed import read_batch, read_head, read_withdrawn
from app.store.rows import to_time
from app.store.starts import (
    GRADUATIONS,
    LAUNCHES,
    TRADES,
    Kind,
    read_after,
    read_last,
    read_oldest,
    read_start_at,
    read_start_in,
)
from app.store.tables import tokens, trades
from app.store.writer import Writer
from app.store.writer_batch import Work

DAY = 86_400
BUYS = trades.c.side == Side.BUY


async def write(engine: AsyncEngine, *works: Work) -> Batch:
    """Stores each as a batch; returns everything that is stored then."""
    async with Writer(engine, Settings(sol_usd="150"), source="test", is_simulated=False) as writer:
        for work in works:
            await writer.write(work)
    stored = await read_batch(engine, 0)
    assert stored is not None
    return stored


@pytest.fixture
async def stored(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> Batch:
    """A market whose second half was indexed before its first, read through statements that see little each."""
    monkeypatch.setattr(starts, "_SPAN", 7)
    monkeypatch.setattr(starts, "_WIDEST", 20)
    story = [event for event, _ in market(7, 300)]
    return await write(engine, Work(story[:20]), Work(story[150:]), Work(story[20:150]))


def launched(everything: Batch) -> list[TokenRecord]:
    found = [token for token in everything.tokens if token.launch_sequence is not None]
    return sorted(found, key=lambda token: token.launch_sequence or 0)


@pytest.mark.parametrize("limit", [1, 5, 1_000])
async def test_pages_hold_what_a_filter_selects_in_the_order_of_the_feed(
    engine: AsyncEngine, stored: Batch, limit: int
) -> None:
    async def walk(kind: Kind[Any], sequence_of: Callable[[Any], int], clause: Any) -> list[Any]:
        found: list[Any] = []
        after, last = 10, stored.last_sequence - 10
        while page := await read_after(engine, kind, after, last, clause, limit):
            assert len(page) <= limit
            found += page
            after = sequence_of(page[-1])
        return found

    def inside(sequence: int) -> bool:
        return 10 < sequence <= stored.last_sequence - 10

    buys = [each for each in stored.trades if each.side is Side.BUY and inside(each.sequence)]
    assert await walk(TRADES, lambda each: each.sequence, BUYS) == buys
    graduated = [each for each in stored.graduations if inside(each.sequence)]
    assert await walk(GRADUATIONS, lambda each: each.sequence, None) == graduated
    of_creator = [each for each in launched(stored) if each.creator != launched(stored)[0].creator]
    expected = [each for each in of_creator if inside(each.launch_sequence or 0)]
    clause = tokens.c.creator != launched(stored)[0].creator
    assert await walk(LAUNCHES, lambda each: each.launch_sequence, clause) == expected


@pytest.mark.parametrize("count", [1, 3, 50, 10_000])
async def test_the_newest_so_many_come_after_the_sequence_that_is_told(
    engine: AsyncEngine, stored: Batch, count: int
) -> None:
    after = await read_last(engine, TRADES, count, stored.last_sequence, BUYS)
    buys = [each.sequence for each in stored.trades if each.side is Side.BUY]
    assert [each for each in buys if each > after] == buys[-count:]
    after = await read_last(engine, GRADUATIONS, count, stored.last_sequence)
    graduated = [each.sequence for each in stored.graduations]
    assert [each for each in graduated if each > after] == graduated[-count:]
    after = await read_last(engine, LAUNCHES, count, stored.last_sequence)
    born = [each.launch_sequence or 0 for each in launched(stored)]
    assert [each for each in born if each > after] == born[-count:]


def _selected(records: list[Any], sequence_of: Callable[[Any], int], is_in: Callable[[Any], bool]) -> tuple[int, Any]:
    """The sequence before the first of those that are in, and all of them."""
    found = [each for each in records if is_in(each)]
    return min((sequence_of(each) for each in found), default=0) - 1, found


@pytest.mark.parametrize("seconds", [-5, 0, 700, 1_050, 1_053, 1_500])
async def test_a_start_by_time_holds_every_record_from_then_on(
    engine: AsyncEngine, stored: Batch, seconds: int
) -> None:
    time = T0 + seconds
    start = await read_start_at(engine, TRADES, to_time(time))
    before, found = _selected([*stored.trades], lambda each: each.sequence, lambda each: each.block_time >= time)
    assert start.after == before
    assert await read_after(engine, TRADES, start.after, stored.last_sequence, start.clause) == found
    start = await read_start_at(engine, LAUNCHES, to_time(T0))
    assert start.after == launched(stored)[0].launch_sequence - 1  # type: ignore[operator]


@pytest.mark.parametrize("slots", [-5, 0, 1, 50, 77, 99])
async def test_a_start_by_slot_holds_every_record_from_it_on(engine: AsyncEngine, stored: Batch, slots: int) -> None:
    slot = SLOT0 + slots
    kinds: list[tuple[Kind[Any], Any]] = [(TRADES, stored.trades), (GRADUATIONS, stored.graduations)]
    for kind, records in kinds:
        start = await read_start_in(engine, kind, slot)
        before, found = _selected([*records], lambda each: each.sequence, lambda each: each.slot >= slot)
        assert start.after <= max(before, 0) or not found
        assert await read_after(engine, kind, start.after, stored.last_sequence, start.clause) == found


async def test_a_start_after_all_that_is_stored_begins_at_the_end(engine: AsyncEngine, stored: Batch) -> None:
    assert (await read_start_at(engine, TRADES, to_time(T0 + DAY))).after == stored.last_sequence
    start = await read_start_in(engine, TRADES, SLOT0 + 10**6)
    assert await read_after(engine, TRADES, start.after, stored.last_sequence, start.clause) == []


async def test_an_empty_store_has_a_start_too(engine: AsyncEngine) -> None:
    assert (await read_start_at(engine, TRADES, to_time(T0))).after == 0
    assert (await read_start_in(engine, LAUNCHES, SLOT0)).after == 0
    assert await read_last(engine, TRADES, 5, 0) == 0
    assert await read_oldest(engine) == 0


async def test_where_nothing_was_dropped_every_cursor_is_good_though_blocks_left_the_chain(engine: AsyncEngine) -> None:
    fork = forked(11, depth=5)
    await write(engine, *works(fork.trunk, 40), *works(fork.gone, 6), *works(fork.stays, 6, retracted=fork.retracted))
    assert await read_oldest(engine) == 0
    head = await read_head(engine)
    assert head is not None
    assert await read_withdrawn(engine, 0, head.sequence)


async def test_what_retention_dropped_is_known_by_the_hole_that_it_left(engine: AsyncEngine) -> None:
    def day(number: int, length: int) -> list[Event]:
        first = launch(mint=address(f"of day {number}"), block_time=T0 + number * DAY)
        return [first, *(trade(mint=first.mint, block_time=T0 + number * DAY + n) for n in range(length))]

    everything = await write(engine, Work(day(0, 5)), Work(day(1, 5)), Work(day(2, 5)))
    assert everything.last_sequence == 18
    await drop_day(engine, 0)
    assert await read_oldest(engine) == 6
    await drop_day(engine, 1)
    assert await read_oldest(engine) == 12
    await drop_day(engine, 2)
    assert await read_oldest(engine) == 18


async def drop_day(engine: AsyncEngine, number: int) -> None:
    """Lets go of a day of trades, as docs/operating.md says."""
    day = to_time(T0 + number * DAY)
    async with engine.begin() as connection:
        is_partitioned = await connection.scalar(
            text("SELECT relkind = 'p' FROM pg_class WHERE oid = 'trades'::regclass")
        )
        until = (day + timedelta(days=1)).date()
        dropped = (
            f"DROP TABLE trades_{day:%Y%m%d}" if is_partitioned else f"SELECT drop_chunks('trades', DATE '{until}')"
        )
        await connection.execute(text(dropped))
