"""How fast decoded events are committed: with everything that a batch keeps, against a bare COPY of the same trades.

    python bench/ingest.py [--trades N] [--rate R] [--database URL] [--json FILE]

Prints: trades/s back to back, commit p50 and p99 at an offered rate, the same from raw transactions with decoding, and
the ratio to COPY into an unlogged table without index, in the same run on the same server.
"""

import argparse
import asyncio
import gc
import json
import platform
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.events import Trade
from app.settings import Settings
from app.store.embedded import EmbeddedPostgres
from app.store.engine import create_engine
from app.store.migrate import upgrade
from app.store.writer import Writer
from app.store.writer_batch import Work
from indexer.entries import Entry, read_entry
from indexer.pools import PoolBook
from indexer.sources.selection import SourceOptions, open_source
from indexer.transaction import Transaction

SETTINGS = Settings(sol_usd="150")


async def simulated(count: int, seed: int) -> list[Transaction]:
    """Transactions of a simulated market with `count` trades."""
    source = open_source("simulate", SourceOptions(rate=50_000, tokens=1_000, seed=seed, count=count))
    return [transaction async for delivery in source.stream(None) for transaction in delivery.transactions]


def decoded(transactions: Iterable[Transaction]) -> list[Entry]:
    pools = PoolBook()
    entries = []
    for transaction in transactions:
        entry = read_entry(transaction, pools)
        pools.learn(entry.events)
        entries.append(entry)
    return entries


def batches(entries: Sequence[Entry], trades: int) -> Iterator[Sequence[Entry]]:
    """Runs of entries that hold about so many trades each."""
    start = held = 0
    for end, entry in enumerate(entries, 1):
        held += count_trades([entry])
        if held >= trades:
            yield entries[start:end]
            start, held = end, 0
    if start < len(entries):
        yield entries[start:]


def work_of(entries: Sequence[Entry]) -> Work:
    return Work(
        events=[event for entry in entries for event in entry.events],
        balances=[balance for entry in entries for balance in entry.balances],
    )


def count_trades(entries: Iterable[Entry]) -> int:
    return sum(isinstance(event, Trade) for entry in entries for event in entry.events)


async def back_to_back(engine: AsyncEngine, entries: Sequence[Entry], size: int) -> dict[str, float]:
    """Trades a second, and commit times, when the next batch is always ready."""
    async with Writer(engine, SETTINGS, source="bench", is_simulated=True) as writer:
        started = time.perf_counter()
        times = [await _timed(writer, batch) for batch in batches(entries, size)]
        seconds = time.perf_counter() - started
    return {"trades_per_second": count_trades(entries) / seconds, **_quantiles(times)}


async def at_rate(engine: AsyncEngine, entries: Sequence[Entry], rate: int) -> dict[str, float]:
    """Commit times, and arrival to durable, when trades arrive at a steady rate and flush every 25 ms."""
    interval = SETTINGS.batch_max_milliseconds / 1_000
    times, lags = [], []
    async with Writer(engine, SETTINGS, source="bench", is_simulated=True) as writer:
        started = time.perf_counter()
        due = started
        for batch in batches(entries, max(1, int(rate * interval))):
            arrived = due
            due += interval
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            times.append(await _timed(writer, batch))
            lags.append(time.perf_counter() - arrived)
        seconds = time.perf_counter() - started
    lag = _quantiles(lags)
    return {
        "offered_per_second": rate,
        "trades_per_second": count_trades(entries) / seconds,
        **_quantiles(times),
        "arrival_to_durable_p99_ms": lag["commit_p99_ms"],
    }


async def from_transactions(engine: AsyncEngine, transactions: Sequence[Transaction], size: int) -> dict[str, float]:
    """Trades a second with decoding in the same process."""
    pools, trades = PoolBook(), 0
    async with Writer(engine, SETTINGS, source="bench", is_simulated=True) as writer:
        started = time.perf_counter()
        for start in range(0, len(transactions), size):
            entries = [read_entry(each, pools) for each in transactions[start : start + size]]
            trades += count_trades(entries)
            await writer.write(work_of(entries))
        seconds = time.perf_counter() - started
    return {"trades_per_second": trades / seconds}


async def bare_copy(url: str) -> dict[str, float]:
    """The stored trades again, as one COPY into an unlogged table without index."""
    connection = await asyncpg.connect(url)
    try:
        rows = BytesIO()
        await connection.copy_from_query("SELECT * FROM trades", output=rows)
        count = await connection.fetchval("SELECT count(*) FROM trades")
        await connection.execute("CREATE UNLOGGED TABLE bare AS SELECT * FROM trades WITH NO DATA")
        rows.seek(0)
        started = time.perf_counter()
        await connection.copy_to_table("bare", source=rows)
        return {"trades_per_second": count / (time.perf_counter() - started)}
    finally:
        await connection.close()


async def _timed(writer: Writer, entries: Sequence[Entry]) -> float:
    started = time.perf_counter()
    await writer.write(work_of(entries))
    return time.perf_counter() - started


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "commit_p50_ms": ordered[len(ordered) // 2] * 1_000,
        "commit_p99_ms": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))] * 1_000,
    }


async def measure(server_url: str, trades: int, rate: int) -> dict[str, Any]:
    transactions = await simulated(trades, seed=1)
    entries = decoded(transactions)
    gc.freeze()  # what is prepared here is no part of an indexer's memory
    results: dict[str, Any] = {"transactions": len(transactions), "trades": count_trades(entries)}
    for name in ("back_to_back", "at_rate", "with_decoding"):
        async with new_database(server_url, f"curvecast_bench_{name}") as url, opened(url) as engine:
            if name == "back_to_back":
                results[name] = await back_to_back(engine, entries, 500)
                results["bare_copy"] = await bare_copy(url)
            elif name == "at_rate":
                results[name] = await at_rate(engine, entries, rate)
            else:
                results[name] = await from_transactions(engine, transactions, 500)
    results["copy_over_back_to_back"] = (
        results["bare_copy"]["trades_per_second"] / results["back_to_back"]["trades_per_second"]
    )
    return results


@asynccontextmanager
async def new_database(server_url: str, name: str) -> AsyncIterator[str]:
    """The URL of a migrated database, which is dropped at the exit."""
    connection = await asyncpg.connect(server_url)
    try:
        await connection.execute(f"CREATE DATABASE {name}")
        try:
            url = urlsplit(server_url)._replace(path=f"/{name}").geturl()
            await upgrade(url)
            yield url
        finally:
            await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await connection.close()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(url, SETTINGS)
    yield engine
    await engine.dispose()


@contextmanager
def embedded() -> Iterator[str]:
    """The URL of a server of the run's own."""
    with tempfile.TemporaryDirectory(prefix="curvecast-bench-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder))
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


def machine() -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {"commit": commit, "machine": platform.platform(), "python": platform.python_version()}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--trades", type=int, default=50_000)
    arguments.add_argument("--rate", type=int, default=10_000, help="offered trades a second")
    arguments.add_argument("--database", help="a server to measure instead of the embedded one; may create databases")
    arguments.add_argument("--json", type=Path, help="also write the results here")
    given = arguments.parse_args()
    with nullcontext(given.database) if given.database else embedded() as server_url:
        results = {**machine(), **asyncio.run(measure(server_url, given.trades, given.rate))}
    print(json.dumps(results, indent=2))
    if given.json:
        given.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
