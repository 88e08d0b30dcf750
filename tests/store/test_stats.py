"""Windowed figures of all tokens: sums of what happened in the last minutes before the head."""

import asyncpg
from factories import T0, address, trade
from sqlalchemy.ext.asyncio import AsyncEngine

from app.settings import Settings
from app.store.stats import recompute_stats
from app.store.writer import Writer
from app.store.writer_batch import Work

MINUTE = T0 - T0 % 60


async def figures(url: str) -> dict[int, int]:
    """Trades by window, of the one token that the test is about."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(
        'SELECT "window", s.trade_count FROM token_stats s JOIN tokens ON id = token_id WHERE mint = $1',
        address("mint"),
    )
    await connection.close()
    return {row["window"]: row["trade_count"] for row in rows}


async def test_windows_end_at_the_head_and_empty_ones_are_gone(engine: AsyncEngine, database_url: str) -> None:
    async with Writer(engine, Settings(), source="test", is_simulated=False) as writer:
        ages = (0, 60, 299, 301, 3_600, 86_399, 90_000)
        await writer.write(Work([trade(block_time=MINUTE - age) for age in ages]))
        await recompute_stats(engine)
        assert await figures(database_url) == {
            60: 1, 300: 2, 900: 4, 1_800: 4, 3_600: 4, 14_400: 5, 21_600: 5, 43_200: 5, 86_400: 5,
        }  # fmt: skip
        await writer.write(Work([trade(mint=address("another"), block_time=MINUTE + 7_200)]))
        await recompute_stats(engine)
        assert await figures(database_url) == {14_400: 5, 21_600: 5, 43_200: 5, 86_400: 5}


async def test_an_empty_store_has_no_figures(engine: AsyncEngine, database_url: str) -> None:
    await recompute_stats(engine)
    assert await figures(database_url) == {}
