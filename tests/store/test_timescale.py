"""What only TimescaleDB has: compressed days, continuous aggregates, retention. Its other tests are all the others.

They run where CURVECAST_TEST_DATABASE_URL names a server that has it in shared_preload_libraries.
"""

import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal

import asyncpg
import msgspec
import pytest
from dumps import dump
from factories import T0, address, market, trade
from migrating import go_down, go_up
from servers import GIVEN_DATABASE
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.candles import Interval, fold
from app.domain.events import Event
from app.domain.programs import Side
from app.domain.records import TradeRecord
from app.settings import Settings
from app.store.crosscheck import compare_candles
from app.store.engine import create_engine
from app.store.feed import read_batch
from app.store.migrate import differences
from app.store.writer import Writer
from app.store.writer_batch import Stored, Work

SETTINGS = Settings(sol_usd="150")
DAY = 86_400
MIDNIGHT = int(time.time()) // DAY * DAY
"""Policies go by the wall clock."""
WIDTHS = {"1m": Interval.M1, "5m": Interval.M5, "15m": Interval.M15, "1h": Interval.H1, "1d": Interval.D1}
AGGREGATED = """
SELECT t.mint, v.kind, extract(epoch FROM c.bucket)::bigint AS bucket,
    first(c.open, c.open_key) * scale AS open, max(c.high) * scale AS high, min(c.low) * scale AS low,
    last(c.close, c.close_key) * scale AS close, sum(c.quote_amount) * power(10::numeric, -v.quote_decimals) AS volume,
    substring(first(c.open_key, c.open_key) FROM 17) AS open_identity,
    substring(last(c.close_key, c.close_key) FROM 17) AS close_identity, sum(c.trades)::integer AS trades
FROM trades_cagg_{width} c JOIN tokens t ON t.id = c.token_id JOIN venues v ON v.id = c.venue_id,
    LATERAL (SELECT power(10::numeric, t.decimals - v.quote_decimals) AS scale)
GROUP BY 1, 2, 3, scale, v.quote_decimals ORDER BY 1, 2, 3
"""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the test's database; skips where that has no TimescaleDB."""
    connection = await asyncpg.connect(database_url, command_timeout=60)
    if not await connection.fetchval("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'"):
        await connection.close()
        pytest.skip(f"no TimescaleDB: set {GIVEN_DATABASE} to a server that has it in shared_preload_libraries")
    yield connection
    await connection.close()


async def write(engine: AsyncEngine, events: Sequence[Event], size: int = 50) -> list[Stored]:
    async with Writer(engine, SETTINGS, source="test", is_simulated=False) as writer:
        parts = [events[start : start + size] for start in range(0, len(events), size)]
        return [await writer.write(Work(list(part))) for part in parts]


def story(seed: int, start: int, length: int = 150, pace: int = 1) -> list[Event]:
    """A market that begins at `start` and takes `pace` times the usual time, with some trades priced by square root."""
    events: list[Event] = [
        msgspec.structs.replace(event, block_time=start + (event.block_time - T0) * pace)
        for event, _ in market(seed, length)
    ]
    meteora = [
        trade(mint=address(f"meteora {seed}"), block_time=start + step * 40, slot=0, sqrt_price=2**62 + step * 2**55)
        for step in range(10)
    ]
    return [*events, *meteora]


async def compress(database: asyncpg.Connection) -> int:
    """Compresses every chunk there is; how many there are then."""
    await database.execute("SELECT compress_chunk(chunk) FROM show_chunks('trades') AS chunk")
    return len(await chunks(database))


async def chunks(database: asyncpg.Connection) -> dict[int, bool]:
    """Whether each chunk of the trades is compressed, by its first second."""
    rows = await database.fetch(
        "SELECT range_start, is_compressed FROM timescaledb_information.chunks WHERE hypertable_name = 'trades'"
    )
    return {int(row["range_start"].timestamp()): row["is_compressed"] for row in rows}


async def run_jobs(database: asyncpg.Connection, kind: str) -> int:
    """Runs every policy of that kind once, as the scheduler would; how many there are."""
    jobs = await database.fetch(
        "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = $1 ORDER BY job_id", kind
    )
    for job in jobs:
        await database.execute(f"CALL run_job({job['job_id']})")
    return len(jobs)


def trades_in(stored: Sequence[Stored]) -> list[TradeRecord]:
    return [each for one in stored for each in one.batch.trades]


async def test_the_tables_are_the_same_as_on_plain_postgres(database: asyncpg.Connection, engine: AsyncEngine) -> None:
    await write(engine, [trade()])
    await compress(database)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_each_day_of_trades_is_a_chunk_and_the_policy_compresses_those_older_than_a_week(
    database: asyncpg.Connection, engine: AsyncEngine
) -> None:
    days = [MIDNIGHT - ago * DAY for ago in (12, 10, 3, 0)]
    await write(engine, [trade(block_time=day) for day in days])
    assert await run_jobs(database, "policy_compression") == 1
    assert await chunks(database) == {day: day < MIDNIGHT - 7 * DAY for day in days}


async def test_what_is_compressed_is_read_like_before(
    database: asyncpg.Connection, engine: AsyncEngine, database_url: str
) -> None:
    await write(engine, story(1, T0, pace=200))
    tables, batch = await dump(database_url), await read_batch(engine, 0)
    assert await compress(database) > 1
    assert await dump(database_url) == tables
    assert await read_batch(engine, 0) == batch


async def test_duplicates_of_compressed_trades_are_not_stored_again(
    database: asyncpg.Connection, engine: AsyncEngine, database_url: str
) -> None:
    events = story(2, T0, pace=200)
    await write(engine, events)
    before = await dump(database_url)
    await compress(database)
    random.Random(2).shuffle(events)
    again = await write(engine, events, size=17)
    assert not trades_in(again)
    assert await dump(database_url) == before


async def test_late_trades_into_compressed_days_end_with_the_tables_of_trades_in_time(
    database: asyncpg.Connection, engine: AsyncEngine, database_url: str, second_database_url: str
) -> None:
    events = story(3, T0, pace=200)
    other = create_engine(second_database_url, SETTINGS)
    await write(other, events)
    await other.dispose()
    await write(engine, events[::2])
    await compress(database)
    mixed = [*events[1::2], *events[::5]]
    random.Random(3).shuffle(mixed)
    await write(engine, mixed, size=9)
    assert await dump(database_url) == await dump(second_database_url)
    await compress(database)
    assert await dump(database_url) == await dump(second_database_url)


async def test_a_late_trade_into_a_compressed_day_repairs_its_candle(
    database: asyncpg.Connection, engine: AsyncEngine
) -> None:
    await write(engine, [trade(block_time=T0 + 5, virtual_quote_reserves=32_000_000_000)])
    await compress(database)
    (late,) = await write(engine, [trade(virtual_quote_reserves=40_000_000_000, side=Side.SELL)])
    candle = await database.fetchrow("SELECT * FROM candles_1d")
    assert candle is not None
    assert (candle["open"], candle["high"]) == (late.batch.trades[0].spot_price, late.batch.trades[0].spot_price)
    assert (candle["trades"], candle["open_identity"]) == (2, late.batch.trades[0].identity)


async def assert_aggregates_equal_the_fold(database: asyncpg.Connection, trades: list[TradeRecord]) -> None:
    groups = defaultdict(list)
    for each in trades:
        groups[each.mint, each.venue_kind].append(each)
    for width, interval in WIDTHS.items():
        expected = [
            (mint, kind, candle) for (mint, kind), held in sorted(groups.items()) for candle in fold(held, interval)
        ]
        rows = await database.fetch(AGGREGATED.format(width=width))
        assert len(rows) == len(expected)
        for row, (mint, kind, candle) in zip(rows, expected, strict=True):
            assert (row["mint"], row["kind"], row["bucket"]) == (mint, kind, candle.time)
            assert (row["open_identity"], row["close_identity"]) == (candle.open_key[2], candle.close_key[2])
            assert (row["volume"], row["trades"]) == (candle.volume, candle.trades)
            for name in ("open", "high", "low", "close"):
                price: Decimal = getattr(candle, name)
                assert abs(row[name] - price) <= price * Decimal("1e-20"), f"{name} of {width}"


async def test_aggregates_equal_the_candles_before_and_after_refreshes_and_late_trades(
    database: asyncpg.Connection, engine: AsyncEngine
) -> None:
    events = story(4, MIDNIGHT - 3 * DAY, length=300, pace=60)
    random.Random(4).shuffle(events)
    trades = trades_in(await write(engine, events[::2]))
    await assert_aggregates_equal_the_fold(database, trades)
    assert await run_jobs(database, "policy_refresh_continuous_aggregate") == len(WIDTHS)
    assert await database.fetchval("SELECT count(*) FROM trades_cagg_1d") > 0
    await assert_aggregates_equal_the_fold(database, trades)
    trades += trades_in(await write(engine, events[1::2]))
    for _ in range(2):  # TimescaleDB 2.24 leaves a minute for the next run now and then
        await run_jobs(database, "policy_refresh_continuous_aggregate")
    await assert_aggregates_equal_the_fold(database, trades)


async def test_the_cross_check_finds_a_candle_that_its_trades_do_not_make(
    database: asyncpg.Connection, engine: AsyncEngine
) -> None:
    await write(engine, story(8, MIDNIGHT - DAY))
    await write(engine, [trade(block_time=int(time.time()))])
    for each in await compare_candles(engine):
        assert (each.compared > 0, each.differing) == (True, 0), each.width
    bucket = await database.fetchval(
        "UPDATE candles_1h SET high = high * 1.000000000000001 WHERE ctid = (SELECT ctid FROM candles_1h LIMIT 1)"
        " RETURNING bucket"
    )
    await database.execute("DELETE FROM candles_1d WHERE bucket = $1", bucket.replace(hour=0))
    counts = {each.width: each.differing for each in await compare_candles(engine)}
    assert (counts["1m"], counts["1h"]) == (0, 1)
    assert counts["1d"] > 0


async def test_aggregates_of_today_hold_a_trade_as_soon_as_it_is_stored(
    database: asyncpg.Connection, engine: AsyncEngine
) -> None:
    now = int(time.time())
    for trades in (1, 2):
        await write(engine, [trade(block_time=now)])
        await run_jobs(database, "policy_refresh_continuous_aggregate")
        await write(engine, [trade(block_time=now + 1)])
        for width in WIDTHS:
            assert await database.fetchval(f"SELECT sum(trades) FROM trades_cagg_{width}") == 2 * trades


async def test_retention_drops_old_trades_and_nothing_else(
    database: asyncpg.Connection, engine: AsyncEngine, database_url: str
) -> None:
    old, new = story(5, MIDNIGHT - 40 * DAY), story(6, MIDNIGHT - 2 * DAY)
    trades = trades_in(await write(engine, [*old, *new]))
    await compress(database)
    for width in WIDTHS:
        await database.execute(
            f"CALL refresh_continuous_aggregate('trades_cagg_{width}', NULL, now() - INTERVAL '1 day')"
        )
    before = await dump(database_url)
    await database.execute("SELECT add_retention_policy('trades', INTERVAL '30 days')")
    assert await run_jobs(database, "policy_retention") == 1
    await run_jobs(database, "policy_refresh_continuous_aggregate")
    after = await dump(database_url)
    kept = [each for each in trades if each.block_time > MIDNIGHT - 30 * DAY]
    assert sorted(await chunks(database)) == [MIDNIGHT - 2 * DAY]
    assert {row["identity"] for row in await database.fetch("SELECT identity FROM trades")} == {
        each.identity for each in kept
    }
    assert {name: rows for name, rows in after.items() if name != "trades"} == {
        name: rows for name, rows in before.items() if name != "trades"
    }
    await assert_aggregates_equal_the_fold(database, trades)


async def test_a_store_with_compressed_days_can_be_migrated(
    database: asyncpg.Connection, engine: AsyncEngine, database_url: str
) -> None:
    await write(engine, story(7, T0, pace=200))
    before = await dump(database_url)
    await compress(database)
    await go_down(engine, "0002")
    # The feed's one row has columns that are younger.
    assert {**await dump(database_url), "feed": before["feed"]} == before
    assert not any((await chunks(database)).values())
    await go_up(engine)
    assert await dump(database_url) == before
