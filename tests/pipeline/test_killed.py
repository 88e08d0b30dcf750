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


async def count_trades(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM trades"))
    finally:
        await connection.close()


def start(url: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", INDEXER, url])


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
