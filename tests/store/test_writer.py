"""The writer: exactly once, in any order, in any batch size, and its tables follow from its trades."""

import itertools
import random
from decimal import Decimal

import asyncpg
import pytest
from dumps import dump, folded_candles, stored_candles
from factories import (
    T0,
    address,
    balance,
    completion,
    launch,
    market,
    migration,
    pool_creation,
    pool_trade,
    signature,
    trade,
)  # fmt: skip
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.candles import Interval
from app.domain.events import Completion, Event, PoolCreation, Rate
from app.domain.programs import WSOL, Side, Stage, TradeProgram
from app.settings import Settings
from app.store.checkpoints import Checkpoint, read_checkpoint
from app.store.engine import create_engine
from app.store.migrate import upgrade
from app.store.writer import Writer
from app.store.writer_accounts import Balance
from app.store.writer_batch import Stored, Work

SETTINGS = Settings(sol_usd="150.25")
Story = list[tuple[Event, list[Balance]]]


def writer(engine: AsyncEngine, settings: Settings = SETTINGS) -> Writer:
    return Writer(engine, settings, source="test", is_simulated=False)


async def write(engine: AsyncEngine, *works: Work) -> list[Stored]:
    async with writer(engine) as opened:
        return [await opened.write(work) for work in works]


async def write_story(engine: AsyncEngine, story: Story, size: int) -> list[Stored]:
    works = [
        Work(events=[event for event, _ in part], balances=[each for _, held in part for each in held])
        for part in (story[start : start + size] for start in range(0, len(story), size))
    ]
    return await write(engine, *works)


async def test_what_is_written_is_told_as_new_with_dense_sequences(engine: AsyncEngine) -> None:
    story = market(seed=1, length=60)
    batches = [stored.batch for stored in await write_story(engine, story, 7)]
    told = [sequence for batch in batches for sequence in batch.launches]
    told += [each.sequence for batch in batches for each in batch.trades]
    told += [each.sequence for batch in batches for each in batch.graduations]
    numbered = [event for event, _ in story if not isinstance(event, PoolCreation)]
    completions = [event for event, _ in story if isinstance(event, Completion)]
    assert len(set(told)) == len(told) == len(numbered) - len(completions)
    assert max(told) <= batches[-1].last_sequence == len(numbered)
    for former, batch in itertools.pairwise(batches):
        assert batch.previous_sequence == former.last_sequence == batch.first_sequence - 1


async def test_the_same_input_twice_stores_nothing_new(engine: AsyncEngine, database_url: str) -> None:
    story = market(seed=2, length=60)
    await write_story(engine, story, 20)
    before = await dump(database_url)
    again = await write_story(engine, story, 13)
    assert await dump(database_url) == before
    assert all(not stored.batch.trades and not stored.batch.graduations for stored in again)
    assert again[-1].batch.last_sequence == again[0].batch.previous_sequence


async def test_a_batch_that_is_partly_stored_adds_only_the_rest(engine: AsyncEngine) -> None:
    old, new = trade(), trade(side=Side.SELL)
    first, second = await write(engine, Work([old]), Work([old, new, new]))
    assert [each.identity for each in second.batch.trades] == [new.identity]
    assert second.batch.tokens[0].trade_count == 2
    assert second.duplicates == 2
    assert second.batch.trades[0].sequence == first.batch.last_sequence + 1


@pytest.mark.parametrize("seed", range(4))
async def test_any_order_and_any_batch_size_ends_with_the_same_tables(
    engine: AsyncEngine, database_url: str, empty_database_url: str, seed: int
) -> None:
    story = market(seed, length=90)
    await write_story(engine, story, 90)
    shuffled = story + story[::5]
    random.Random(seed).shuffle(shuffled)
    await upgrade(empty_database_url)
    other = create_engine(empty_database_url, SETTINGS)
    await write_story(other, shuffled, random.Random(seed).choice([1, 3, 17]))
    await other.dispose()
    expected, found = await dump(database_url), await dump(empty_database_url)
    for table, rows in expected.items():
        assert found[table] == rows, table


@pytest.mark.parametrize("seed", range(3))
async def test_stored_candles_equal_the_fold_of_their_trades(engine: AsyncEngine, database_url: str, seed: int) -> None:
    story = market(seed, length=120)
    random.Random(seed).shuffle(story)
    trades = [each for stored in await write_story(engine, story, 11) for each in stored.batch.trades]
    for interval, table in ((Interval.M1, "candles_1m"), (Interval.H1, "candles_1h"), (Interval.D1, "candles_1d")):
        assert await stored_candles(database_url, table) == folded_candles(trades, interval)


async def test_holders_are_distinct_owners_with_something_and_no_vaults(engine: AsyncEngine) -> None:
    bought, sold = trade(), trade(side=Side.SELL, block_time=T0 + 9)
    held = [balance(bought, address(name), 10) for name in ("ann", "bob")]
    second_account = balance(bought, address("ann"), 5, account=address("second account"))
    vault = balance(bought, bought.venue, 10**12)
    first, second = await write(
        engine,
        Work([bought], [*held, second_account, vault]),
        Work([sold], [balance(sold, address("bob"), 0), balance(sold, address("ann"), 0)]),
    )
    assert first.batch.tokens[0].holders == 2
    assert second.batch.tokens[0].holders == 1, "ann still has her second account"


async def test_a_pool_that_held_tokens_before_it_was_known_is_no_holder(engine: AsyncEngine) -> None:
    on_curve, created = trade(), pool_creation(block_time=T0 + 5)
    first, second = await write(engine, Work([on_curve], [balance(on_curve, created.pool, 10**12)]), Work([created]))
    assert [stored.batch.tokens[0].holders for stored in (first, second)] == [1, 0]


async def test_a_late_older_trade_changes_neither_price_nor_reserves(engine: AsyncEngine) -> None:
    newer = trade(block_time=T0 + 10, virtual_quote_reserves=40_000_000_000)
    older = trade(virtual_quote_reserves=35_000_000_000)
    first, second = await write(engine, Work([newer]), Work([older]))
    assert second.batch.tokens[0].price == first.batch.tokens[0].price
    assert second.batch.tokens[0].curve == first.batch.tokens[0].curve
    assert second.batch.tokens[0].trade_count == 2


async def test_a_token_graduates_and_is_then_priced_by_its_pool(engine: AsyncEngine) -> None:
    story: list[Event] = [
        launch(),
        trade(block_time=T0 + 1),
        completion(block_time=T0 + 2),
        migration(block_time=T0 + 3),
    ]
    (stored,) = await write(engine, Work([*story, pool_trade(block_time=T0 + 4)]))
    token = stored.batch.tokens[0]
    assert (token.stage, token.completed_at, token.graduated_at) == (Stage.GRADUATED, T0 + 2, T0 + 3)
    assert token.price_kind is TradeProgram.AMM_POOL
    assert stored.batch.graduations[0].seconds_to_graduate == 3
    spot = Decimal(31_000_000_000) / Decimal(1_038_387_096_774_194) / 1000
    capital = stored.batch.graduations[0].market_cap_usd
    assert capital is not None
    assert abs(capital - spot * 10**9 * Decimal("150.25")) < Decimal("1e-9")


async def test_a_pool_that_anybody_opened_does_not_graduate_a_token(engine: AsyncEngine) -> None:
    (stored,) = await write(engine, Work([launch(), trade(block_time=T0 + 1), pool_trade(block_time=T0 + 2)]))
    token = stored.batch.tokens[0]
    assert (token.stage, token.price_kind) == (Stage.BONDING, TradeProgram.BONDING_CURVE)


async def test_the_first_trade_of_a_wallet_is_the_first_on_chain_not_the_first_to_arrive(engine: AsyncEngine) -> None:
    later, earlier = trade(block_time=T0 + 60), trade()
    first, second = await write(engine, Work([later]), Work([earlier]))
    assert [first.batch.trades[0].is_first_trade, second.batch.trades[0].is_first_trade] == [True, True]
    async with engine.connect() as connection:
        rows = await connection.exec_driver_sql("SELECT first_identity FROM token_traders")
        assert [row[0] for row in rows] == [earlier.identity]


async def test_values_at_the_end_of_their_range_are_kept_exactly(engine: AsyncEngine, database_url: str) -> None:
    largest = 2**64 - 1
    extreme = trade(base_amount=largest, quote_amount=largest, virtual_base_reserves=1, sqrt_price=2**128 - 1)
    named = launch(name="nul\x00 and 🚀", total_supply=largest)
    (stored,) = await write(engine, Work([named, extreme]))
    connection = await asyncpg.connect(database_url)
    row = await connection.fetchrow("SELECT base_amount, sqrt_price FROM trades")
    name = await connection.fetchval("SELECT name FROM tokens WHERE total_supply = $1", Decimal(largest))
    await connection.close()
    assert row is not None
    assert (int(row["base_amount"]), int(row["sqrt_price"])) == (largest, 2**128 - 1)
    assert name == "nul and 🚀"
    assert stored.batch.trades[0].base_amount == largest


@pytest.mark.parametrize("day", [0, 1_709_251_200, T0 + 400 * 86_400])
async def test_a_trade_of_any_day_finds_a_partition(engine: AsyncEngine, database_url: str, day: int) -> None:
    await write(engine, Work([trade(block_time=day)]), Work([trade(block_time=day + 86_400)]))
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT count(*) FROM trades") == 2
    await connection.close()


async def test_dollars_follow_the_rate_of_their_time_and_are_absent_without_a_fresh_one(engine: AsyncEngine) -> None:
    rates = [Rate(WSOL, T0, "100.5"), Rate(WSOL, T0 + 60, "101.5")]
    times = (T0 - 1, T0 + 59, T0 + 60, T0 + 60 + 301)
    async with writer(engine, Settings(rate_max_age_seconds=300)) as opened:
        stored = await opened.write(Work([trade(block_time=time) for time in times], rates=rates))
    values = [each.quote_usd for each in stored.batch.trades]
    assert values == [None, Decimal("100.5"), Decimal("101.5"), None]
    assert stored.batch.rates == (rates[1],)


async def test_the_checkpoint_is_committed_with_what_was_read_up_to_it(engine: AsyncEngine) -> None:
    place = Checkpoint("test", 7, b"\x00resume here")
    await write(engine, Work([trade()], checkpoint=place))
    assert await read_checkpoint(engine, "test") == place
    assert await read_checkpoint(engine, "another") is None


async def test_a_batch_that_cannot_be_stored_leaves_nothing_behind(engine: AsyncEngine, database_url: str) -> None:
    before = await dump(database_url, ("trades", "tokens", "wallets", "candles_1m"))
    poison = trade(ordinal=2**40)
    async with writer(engine) as opened:
        with pytest.raises(asyncpg.PostgresError):
            await opened.write(Work([trade(), poison]))
        assert await dump(database_url, ("trades", "tokens", "wallets", "candles_1m")) == before
        good = await opened.write(Work([trade(signature=signature("good"))]))
    assert (good.batch.first_sequence, good.batch.last_sequence) == (1, 1)


async def test_the_finalized_point_has_the_time_of_its_slot(engine: AsyncEngine) -> None:
    early, late = trade(slot=10), trade(slot=50, block_time=T0 + 16)
    first, second = await write(engine, Work([early, late]), Work(finalized_slot=20))
    assert first.batch.head.finalized is None
    finalized = second.batch.head.finalized
    assert finalized is not None
    assert (finalized.slot, finalized.time) == (20, T0)
