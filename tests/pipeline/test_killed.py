"""kill -9 of the indexer at any moment: the next one goes on, and the tables are those of an undisturbed run."""

import asyncio
import subprocess
import sys

import asyncpg
from dumps import TABLES, dump
from sqlalchemy.ext.asyncio import AsyncEngine

LIMIT_SECONDS = 60.0
TRADES = 600
INDEXER = f"""
import asyncio, sys
from app.settings import Settings
from app.store.engine import create_engine
from indexer.run import run_indexer
from indexer.sources.simulate import SimulateSource

class NoBus:
    async def publish(self, batch): pass
    async def last_sequence(self): return None

async def main():
    settings = Settings(batch_max_rows=60)
    source = SimulateSource(rate=50_000, tokens=20, seed=5, count={TRADES}, started=1_790_000_000)
    await run_indexer(settings, create_engine(sys.argv[1], settings), source, NoBus(), once=True)

asyncio.run(main())
"""

ENDLESS = INDEXER.replace(f"rate=50_000, tokens=20, seed=5, count={TRADES}", "rate=200, tokens=20, seed=5").replace(
    "once=True", "once=False"
)
TAKE_OVER_SECONDS = 10.0


async def count_trades(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM trades"))
    finally:
        await connection.close()


def start(url: str, script: str = INDEXER) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", script, url])


async def run_to_the_end(url: str) -> None:
    process = start(url)
    assert await asyncio.to_thread(process.wait, LIMIT_SECONDS) == 0


async def run_until(url: str, trades: int) -> None:
    """Kills the indexer once it has stored so many trades."""
    process = start(url)
    async with asyncio.timeout(LIMIT_SECONDS):
        while await count_trades(url) < trades:
            assert process.poll() is None, "it ended before it could be killed"
            await asyncio.sleep(0.005)
    process.kill()
    await asyncio.to_thread(process.wait)


async def test_killed_three_times_and_resumed_it_ends_with_the_same_tables(
    engine: AsyncEngine, database_url: str, second_database_url: str
) -> None:
    await run_to_the_end(second_database_url)
    for trades in (50, 200, 400):
        await run_until(database_url, trades)
    await run_to_the_end(database_url)
    expected, found = await dump(second_database_url), await dump(database_url)
    assert len(expected["trades"]) >= TRADES
    for table in TABLES:
        assert found[table] == expected[table], table


async def test_a_standby_takes_over_within_ten_seconds_after_the_first_is_killed(
    engine: AsyncEngine, database_url: str
) -> None:
    first = start(database_url, ENDLESS)
    async with asyncio.timeout(LIMIT_SECONDS):
        while await count_trades(database_url) < 50:
            await asyncio.sleep(0.01)
    second = start(database_url, ENDLESS)
    try:
        await waiting_for_the_lock(database_url)
        first.kill()
        await asyncio.to_thread(first.wait)
        stored = await count_trades(database_url)
        async with asyncio.timeout(TAKE_OVER_SECONDS):
            while await count_trades(database_url) == stored:
                await asyncio.sleep(0.05)
        assert second.poll() is None
    finally:
        for each in (first, second):
            each.kill()
            await asyncio.to_thread(each.wait)


async def waiting_for_the_lock(url: str) -> None:
    """Returns when the session of another writer asks for the lock in vain."""
    asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%try_advisory%'"
    connection = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            while await connection.fetchval(f"{asked} AND pid <> pg_backend_pid()") < 1:
                await asyncio.sleep(0.05)
    finally:
        await connection.close()
