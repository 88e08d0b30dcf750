"""Slots that leave the chain: what is stored then is what a run that never saw them has."""

import itertools
import random
from typing import Any

import asyncpg
import msgspec
import pytest
from dumps import TABLES, dump
from factories import SLOT0, T0, address, balance, completion, launch, migration, pool_creation, pool_trade, trade
from forks import Forked, Story, busy, forked, moved, trades_of, works
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.events import Event
from app.domain.programs import Commitment
from app.domain.records import Batch, RecordKind
from app.errors import ForkTooDeep
from app.settings import Settings
from app.store.engine import create_engine
from app.store.feed import read_batch, read_head
from app.store.gaps import open_gaps
from app.store.stats import recompute_stats
from app.store.writer import Writer
from app.store.writer_batch import Work

SETTINGS = Settings(sol_usd="150.25")
COMPARED = tuple(table for table in TABLES if table != "wallets")
"""A wallet that was only ever seen on the abandoned branch keeps its number: nothing shows it."""


async def write(engine: AsyncEngine, *given: Work) -> list[Batch]:
    async with Writer(engine, SETTINGS, source="test", is_simulated=False) as writer:
        return [(await writer.write(work)).batch for work in given]


async def stored(url: str, *given: Work) -> dict[str, list[str]]:
    """What a database holds after these batches, and nothing before."""
    connection = await asyncpg.connect(url)
    names = ", ".join((*TABLES, "journal", "retractions", "gaps"))
    await connection.execute(f"TRUNCATE {names}")
    await connection.close()
    engine = create_engine(url, SETTINGS)
    try:
        half = len(given) // 2
        await write(engine, *given[:half])
        await write(engine, *given[half:])  # another process goes on
        await recompute_stats(engine)
        return await dump(url, COMPARED)
    finally:
        await engine.dispose()


def run_with_fork(fork: Forked, dice: random.Random) -> list[Work]:
    before = [*fork.trunk, *fork.gone]
    if dice.random() < 0.7:
        dice.shuffle(before)
    after = list(fork.stays)
    dice.shuffle(after)
    size = dice.choice([1, 5, 40])
    return [
        *works(before, size),
        Work(finalized_slot=fork.cut - dice.choice([0, 3, 20])),
        *works(after, size, retracted=fork.retracted),
        *_again(dice, after),
    ]


def run_without(fork: Forked) -> list[Work]:
    return [*works(fork.trunk, 30), *works(fork.stays, 30), Work(finalized_slot=fork.cut)]


def _again(dice: random.Random, story: Story) -> list[Work]:
    return works(dice.sample(story, len(story) // 3), 4)


def same(found: dict[str, list[str]], expected: dict[str, list[str]]) -> None:
    for table, rows in expected.items():
        assert found[table] == rows, table


@settings(max_examples=10, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000), depth=st.sampled_from([1, 5, 31]))
async def test_after_a_fork_the_tables_are_those_of_a_run_that_never_saw_it(
    database_url: str, second_database_url: str, seed: int, depth: int
) -> None:
    fork = forked(seed, depth)
    dice = random.Random(seed)
    last = Work(finalized_slot=fork.cut)
    found = await stored(database_url, *run_with_fork(fork, dice), last)
    same(found, await stored(second_database_url, *run_without(fork)))


@settings(max_examples=4, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000))
async def test_a_fork_of_a_fork_while_finality_moves_on(database_url: str, second_database_url: str, seed: int) -> None:
    one = forked(seed, 31, length=320)
    dice = random.Random(seed)
    steps = [Work([event], held, finalized_slot=event.slot - dice.randrange(32, 50)) for event, held in one.trunk]
    rest = [each for each in one.stays if each[0].slot > one.cut + 9]
    kept = [each for each in one.stays if each[0].slot <= one.cut + 9]
    last = [moved(each, each[0].slot + 3, 9, 2) for each in rest[::2]]
    again = sorted({event.slot for event, _ in rest})
    end = Work(finalized_slot=one.cut)
    seen = [*steps, *works(one.gone, 7), *works(one.stays, 9, retracted=one.retracted)]
    found = await stored(database_url, *seen, *works(last, 3, retracted=again), end)
    same(found, await stored(second_database_url, *works([*one.trunk, *kept, *last], 50), end))


def life(slot: int) -> Story:
    """A token's launch, trades, graduation and a trade on its pool, one a slot."""
    events: list[Event] = [
        launch(slot=slot, block_time=T0),
        trade(slot=slot + 1, block_time=T0 + 1, trader=address("ann")),
        completion(slot=slot + 2, block_time=T0 + 2),
        migration(slot=slot + 3, block_time=T0 + 3),
        pool_creation(slot=slot + 3, block_time=T0 + 3, event_index=1),
        pool_trade(slot=slot + 4, block_time=T0 + 70, trader=address("bob")),
    ]
    return [(event, [balance(event, address("ann"), 10)]) for event in events]


async def test_a_token_whose_launch_is_withdrawn_leaves_altogether(engine: AsyncEngine, database_url: str) -> None:
    empty = await dump(database_url, ("tokens", "venues", "trades", "candles_1m", "token_accounts", "graduations"))
    *_, last = await write(engine, *works(life(SLOT0), 2), Work(retracted=list(range(SLOT0, SLOT0 + 5))))
    found = await dump(database_url, tuple(empty))
    assert found == empty
    assert last.tokens == ()
    kinds = [each.kind for each in last.rolled_back]
    assert sorted(set(kinds)) == sorted(RecordKind), "each kind of record is told"


async def test_a_graduation_is_withdrawn_and_the_curve_prices_the_token_again(engine: AsyncEngine) -> None:
    first, second = await write(engine, *works(life(SLOT0)[:3], 9), *works([], 1))
    (*_, last) = await write(engine, *works(life(SLOT0)[3:], 9), Work(retracted=[SLOT0 + 3, SLOT0 + 4]))
    assert last.tokens == first.tokens
    head = await read_head(engine)
    assert head is not None
    assert (head.point, second.head.point) == (first.head.point, first.head.point)


async def test_the_feed_goes_on_without_a_hole_and_tells_what_left(engine: AsyncEngine) -> None:
    fork = forked(3, depth=5)
    batches = await write(
        engine, *works([*fork.trunk, *fork.gone], 20), *works(fork.stays, 20, retracted=fork.retracted)
    )
    for former, batch in itertools.pairwise(batches):
        assert batch.previous_sequence == former.last_sequence == batch.first_sequence - 1
    (told,) = [batch for batch in batches if batch.rolled_back]
    assert {each.identity for each in told.rolled_back if each.kind is RecordKind.TRADE} == trades_of(fork.gone)
    read = await read_batch(engine, told.previous_sequence)
    assert read is not None
    assert read.rolled_back == told.rolled_back
    assert {each.mint for each in read.tokens} >= {each.mint for each in told.tokens}
    everything = await read_batch(engine, 0)
    assert everything is not None
    assert {each.identity for each in everything.trades} == trades_of(fork.trunk) | trades_of(fork.stays)


@pytest.mark.parametrize("finalized", [SLOT0 + 4, SLOT0 + 9])
async def test_a_final_slot_is_not_withdrawn(engine: AsyncEngine, database_url: str, finalized: int) -> None:
    await write(engine, *works(life(SLOT0), 9), Work(finalized_slot=finalized))
    before = await dump(database_url)
    with pytest.raises(ForkTooDeep, match=f"slot {SLOT0 + 4} .* Nothing was deleted"):
        await write(engine, Work(retracted=[SLOT0 + 4, SLOT0 + 10]))
    assert await dump(database_url) == before


def certain(event: Event, commitment: Commitment, **place: Any) -> Any:
    return msgspec.structs.replace(event, commitment=commitment, **place)


async def test_one_transaction_on_two_forks_is_stored_once(engine: AsyncEngine) -> None:
    here = trade(slot=SLOT0 + 1, commitment=Commitment.PROCESSED)
    there = certain(here, Commitment.PROCESSED, slot=SLOT0 + 2, block_time=T0 + 60)
    _, second = await write(engine, Work([here]), Work([there]))
    assert second.trades == ()
    (third,) = await write(engine, Work([certain(there, Commitment.CONFIRMED)]))
    assert [(each.slot, each.commitment) for each in third.trades] == [(SLOT0 + 2, Commitment.CONFIRMED)]
    assert [each.identity for each in third.rolled_back] == [here.identity]
    assert third.tokens[0].trade_count == 1


async def test_a_transaction_that_was_passed_over_on_the_fork_that_stays_is_known_to_be_missing(
    engine: AsyncEngine,
) -> None:
    here = trade(slot=SLOT0 + 1)
    there = certain(here, here.commitment, slot=SLOT0 + 2)
    await write(engine, Work([here]), Work([there]), Work(retracted=[SLOT0 + 1]))
    assert [gap.slots.first for gap in await open_gaps(engine)] == [SLOT0 + 2]
    (again,) = await write(engine, Work([there]))
    assert len(again.trades) == 1


async def test_what_was_raised_before_a_fork_is_as_certain_after_it(engine: AsyncEngine) -> None:
    early = trade(slot=SLOT0, commitment=Commitment.PROCESSED)
    later = trade(slot=SLOT0 + 1, block_time=T0 + 1, commitment=Commitment.PROCESSED)
    *_, last = await write(
        engine, Work([early]), Work([certain(early, Commitment.CONFIRMED)]), Work([later]), Work(retracted=[SLOT0 + 1])
    )
    assert last.tokens[0].as_of.commitment is Commitment.CONFIRMED


async def test_the_journal_is_empty_where_everything_is_final(engine: AsyncEngine, database_url: str) -> None:
    story = [certain(event, Commitment.FINALIZED) for event, _ in forked(5, 5).trunk]
    await write(engine, *(Work(story[start : start + 9]) for start in range(0, len(story), 9)))
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT count(*) FROM journal") == 0
    await connection.close()


async def test_31_slots_of_a_busy_chain_are_withdrawn_at_once(engine: AsyncEngine) -> None:
    """300 trades a second over 300 tokens: 31 slots hold 3,700. `bench/forks.py` says how long it takes."""
    story = busy(slots=62, a_slot=120)
    await write(engine, *works(story, 1_000))
    (batch,) = await write(engine, Work(retracted=list(range(SLOT0 + 31, SLOT0 + 62))))
    assert len(batch.rolled_back) == 31 * 120
