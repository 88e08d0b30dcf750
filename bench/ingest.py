"""How fast decoded events are committed: with everything that a batch keeps, against a bare COPY of the same trades.

    python bench/ingest.py [--trades N] [--rate R] [--batch B] [--flush MS] [--database URL] [--redis URL] [--pin]
        [--json FILE]

Prints trades/s back to back, commit p50 and p99 at an offered rate, the same from raw transactions through the whole
pipeline, without a bus, with the one in memory and with Redis, and the ratio to COPY into an unlogged table without
index in the same run on the same server. CPU a trade, of Python and of the whole server (on Linux), compares runs on a
machine that does other things too; `load` says how busy it was before. Without `--pin` the kernel may wake the server
on Python's own core and leave the other one idle: commits then wait for a core, not for Postgres.
"""

import argparse
import asyncio
import gc
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from app.bus.feed import Bus
from app.domain.events import Trade
from app.settings import Settings
from app.store.embedded import EmbeddedPostgres
from app.store.engine import create_engine
from app.store.migrate import upgrade
from app.store.writer import Writer
from app.store.writer_batch import Work
from indexer.announcing import Announcing
from indexer.entries import Entry, read_entry
from indexer.pipeline import Pipeline
from indexer.pools import PoolBook
from indexer.sources import Delivery
from indexer.sources.selection import SourceOptions, open_source
from indexer.transaction import Transaction

SETTINGS = Settings(sol_usd="150")
_WARM_SECONDS = 1.0


async def simulated(count: int, seed: int) -> list[Transaction]:
    """Transactions of a simulated market with `count` trades."""
    source = open_source("simulate", SourceOptions(rate=50_000, tokens=1_000, seed=seed, count=count), Settings())
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
        arrived=[each for entry in entries for each in entry.arrived],
        balances=[balance for entry in entries for balance in entry.balances],
    )


def count_trades(entries: Iterable[Entry]) -> int:
    return sum(isinstance(event, Trade) for entry in entries for event in entry.events)


class Processor:
    """CPU of this process and of the database server since it was made, in microseconds a trade."""

    def __init__(self, server: int | None) -> None:
        self._server = server
        self._started = time.process_time(), _tree_seconds(server)

    def used(self, trades: int) -> dict[str, float | None]:
        python, server = time.process_time() - self._started[0], None
        if self._started[1] is not None and (now := _tree_seconds(self._server)) is not None:
            server = (now - self._started[1]) / trades * 1e6
        return {"python_us_per_trade": python / trades * 1e6, "postgres_us_per_trade": server}


async def postmaster(url: str) -> int | None:
    """Process id of the server's first process; None where it is not on this machine, or this is no Linux."""
    connection = await asyncpg.connect(url)
    try:
        backend = connection.get_server_pid()
        return int(_stat(backend)[1]) if "postgres" in Path(f"/proc/{backend}/comm").read_text() else None
    except OSError:
        return None
    finally:
        await connection.close()


def _tree_seconds(root: int | None) -> float | None:
    """CPU of a process, its children, and those of them that have ended."""
    if root is None:
        return None
    ticks = sum(int(value) for value in _stat(root)[11:15])
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            values = _stat(int(folder.name))
            ticks += int(values[11]) + int(values[12]) if int(values[1]) == root else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(process: int) -> list[str]:
    """Fields of /proc/PID/stat from the third: 1 is the parent, 11 to 14 are times of it and its ended children."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


async def back_to_back(url: str, entries: Sequence[Entry], size: int) -> dict[str, Any]:
    """Trades a second, and commit times, when the next batch is always ready."""
    async with opened(url) as engine, Writer(engine, SETTINGS, source="bench", is_simulated=True) as writer:
        processor = Processor(await postmaster(url))
        started = time.perf_counter()
        times = [await _timed(writer, batch) for batch in batches(entries, size)]
        seconds, trades = time.perf_counter() - started, count_trades(entries)
        used = processor.used(trades)
    return {"batch": size, "trades_per_second": trades / seconds, **_quantiles(times), **used}


async def at_rate(url: str, entries: Sequence[Entry], rate: int, settings: Settings) -> dict[str, Any]:
    """Commit times, and arrival to durable, when trades arrive at a steady rate; batches are cut as the pipeline cuts
    them: what came within the flush time, and what came while the former one was being stored.

    Quantiles leave out the first second, in which a new connection plans its statements and a partition is made;
    `first_commit_ms` tells what that costs.
    """
    trades = count_trades(entries)
    arrivals = [number * trades / len(entries) / rate for number in range(len(entries))]
    times, lags, warm = [], [], 0
    async with opened(url) as engine, Writer(engine, SETTINGS, source="bench", is_simulated=True) as writer:
        processor = Processor(await postmaster(url))
        started, done = time.perf_counter(), 0
        while done < len(entries):
            flush = started + arrivals[done] + settings.batch_max_milliseconds / 1_000
            await asyncio.sleep(max(0.0, flush - time.perf_counter()))
            end = _end_of_batch(entries, arrivals, done, time.perf_counter() - started, settings.batch_max_rows)
            times.append(await _timed(writer, entries[done:end]))
            lags.append(time.perf_counter() - started - arrivals[done])
            done = end
            warm = len(times) - 1 if time.perf_counter() - started < _WARM_SECONDS else warm
        seconds = time.perf_counter() - started
        used = processor.used(trades)
    return {
        "offered_per_second": rate,
        "trades_per_second": trades / seconds,
        "batches": len(times),
        "first_commit_ms": times[0] * 1_000,
        **_quantiles(times[warm:]),
        "arrival_to_durable_p99_ms": _quantiles(lags[warm:])["commit_p99_ms"],
        **used,
    }


def _end_of_batch(entries: Sequence[Entry], arrivals: Sequence[float], start: int, now: float, max_rows: int) -> int:
    end, rows = start + 1, entries[start].rows
    while end < len(entries) and arrivals[end] <= now and rows + entries[end].rows <= max_rows:
        rows += entries[end].rows
        end += 1
    return end


async def through_pipeline(url: str, transactions: Sequence[Transaction], trades: int, bus_url: str) -> dict[str, Any]:
    """Trades a second from raw transactions, decoded beside the writing; and published, where there is a bus."""
    async with (
        opened(url) as engine,
        Writer(engine, SETTINGS, source="bench", is_simulated=True) as writer,
        _announcing(engine, writer, bus_url) as announcing,
    ):
        pipeline = Pipeline(SETTINGS, writer, PoolBook(), announcing, "bench")
        processor = Processor(await postmaster(url))
        started = time.perf_counter()
        await pipeline.run(_deliveries(transactions))
        seconds = time.perf_counter() - started
        used = processor.used(trades)
    return {"bus": bus_url or "none", "trades_per_second": trades / seconds, **used}


@asynccontextmanager
async def _announcing(engine: AsyncEngine, writer: Writer, bus_url: str) -> AsyncIterator[Announcing]:
    """Publishes to that bus; with an empty URL, what is offered goes nowhere."""
    bus = Bus(bus_url or "memory://")
    announcing = Announcing(bus, engine, lambda: writer.feed.sequence)
    if not bus_url:
        yield announcing
        return
    await bus.connect()
    publishing = asyncio.create_task(announcing.run())
    yield announcing
    publishing.cancel()
    await asyncio.wait([publishing])
    await bus.disconnect()


async def _deliveries(transactions: Sequence[Transaction]) -> AsyncIterator[Delivery]:
    for start in range(0, len(transactions), 250):
        yield Delivery(transactions=tuple(transactions[start : start + 250]))


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


async def measure(server_url: str, given: argparse.Namespace) -> dict[str, Any]:
    settings = replace(SETTINGS, batch_max_milliseconds=given.flush)
    transactions = await simulated(given.trades, seed=1)
    entries = decoded(transactions)
    trades = count_trades(entries)
    gc.collect()
    gc.freeze()  # what is prepared here is no part of an indexer's memory
    results: dict[str, Any] = {"load": os.getloadavg(), "transactions": len(transactions), "trades": trades}
    async with new_database(server_url, "curvecast_bench_back_to_back") as url:
        results["back_to_back"] = await back_to_back(url, entries, given.batch)
        results["bare_copy"] = await bare_copy(url)
    async with new_database(server_url, "curvecast_bench_at_rate") as url:
        results["at_rate"] = await at_rate(url, entries, given.rate, settings)
    for bus in ["", "memory://", *([given.redis] if given.redis else [])]:
        async with new_database(server_url, "curvecast_bench_pipeline") as url:
            case = await through_pipeline(url, transactions, trades, bus)
            results.setdefault("from_transactions", []).append(case)
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
def embedded(*, pin: bool) -> Iterator[str]:
    """The URL of a server of the run's own; with `pin` it has the last core, and this process the others."""
    cores = sorted(os.sched_getaffinity(0)) if pin else []
    with tempfile.TemporaryDirectory(prefix="curvecast-bench-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder))
        if pin:
            os.sched_setaffinity(0, cores[-1:])  # what is started now inherits it
        server.start()
        if pin:
            os.sched_setaffinity(0, cores[:-1])
        try:
            yield server.url
        finally:
            server.stop()


def machine() -> dict[str, Any]:
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout.strip()
    return {"commit": commit, "machine": platform.platform(), "python": platform.python_version()}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--trades", type=int, default=100_000)
    arguments.add_argument("--rate", type=int, default=10_000, help="offered trades a second")
    arguments.add_argument("--batch", type=int, default=500, help="trades in a batch, back to back")
    arguments.add_argument("--flush", type=int, default=SETTINGS.batch_max_milliseconds, help="ms, at the offered rate")
    arguments.add_argument("--redis", help="a Redis to publish to as well, as redis://127.0.0.1:6379/0")
    arguments.add_argument("--database", help="a server to measure instead of the embedded one; may create databases")
    arguments.add_argument("--pin", action="store_true", help="Postgres on a core of its own, Python on the others")
    arguments.add_argument("--json", type=Path, help="also write the results here")
    given = arguments.parse_args()
    with nullcontext(given.database) if given.database else embedded(pin=given.pin) as server_url:
        results = {**machine(), "pinned": given.pin, **asyncio.run(measure(server_url, given))}
    print(json.dumps(results, indent=2))
    if given.json:
        given.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
