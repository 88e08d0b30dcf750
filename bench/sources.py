"""From a block being confirmed at the node to its trades on the bus, for each live source, at mainnet's pace.

    python bench/sources.py [--trades-per-second 100] [--seconds 20]

Node, indexer and bus share one process and its core; Postgres has its own. What a client waits for on top of that,
`bench/latency.py` measures. Beside it, the same run's floor: the batch window (CURVECAST_BATCH_MAX_MILLISECONDS).
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import uvloop  # noqa: E402 - after the path
from sqlalchemy.ext.asyncio import AsyncEngine  # noqa: E402
from starlette.datastructures import Secret  # noqa: E402

from app.domain.records import Batch  # noqa: E402
from app.settings import Settings  # noqa: E402
from app.store.engine import create_engine  # noqa: E402
from app.store.migrate import upgrade  # noqa: E402
from bench.backfill import postgres  # noqa: E402
from bench.decode import commit  # noqa: E402
from indexer.run import run_indexer  # noqa: E402
from indexer.sources.selection import SourceOptions, open_source  # noqa: E402
from node.blocks import Block  # noqa: E402
from node.chain import Chain, Mix, Step  # noqa: E402
from node.material import simulated  # noqa: E402
from node.serving import serve_node  # noqa: E402
from node.yellowstone import serve_geyser  # noqa: E402

SOURCES = ("rpc", "geyser", "logs")
WARM_SECONDS = 3.0


class Clock:
    """The announcing end of the bus: notes when the trades of a slot come, against when the node confirmed it."""

    def __init__(self) -> None:
        self.confirmed: dict[int, float] = {}
        self.milliseconds: list[float] = []

    def hear(self, step: Step, block: Block) -> None:
        if step is Step.CONFIRMED:
            self.confirmed[block.slot] = time.perf_counter()

    async def publish(self, batch: Batch) -> None:
        now = time.perf_counter()
        for trade in batch.trades:
            if (at := self.confirmed.get(trade.slot)) is not None:
                self.milliseconds.append(1e3 * (now - at))

    async def last_sequence(self) -> int | None:
        return None


async def measure(name: str, engine: AsyncEngine, rate: float, seconds: float) -> dict[str, object]:
    chain, clock = Chain(simulated(rate=rate, tokens=100), Mix(failed_share=0.3)), Clock()
    chain.listen(clock.hear)
    await chain.advance(40)
    async with serve_node(chain, speed=1.0) as node, serve_geyser(node) as geyser:
        settings = Settings(rpc_urls=Secret(node.setting), geyser_urls=Secret(geyser.url), sol_usd="150")
        source = open_source(name, SourceOptions(), settings)
        indexing = asyncio.create_task(run_indexer(settings, engine, source, clock, once=False))
        await asyncio.wait({indexing}, timeout=WARM_SECONDS)
        clock.milliseconds.clear()
        await asyncio.wait({indexing}, timeout=seconds)
        indexing.cancel()
        await asyncio.gather(indexing, return_exceptions=True)
    found = sorted(clock.milliseconds)
    share = {f"p{each}": round(found[min(len(found) * each // 100, len(found) - 1)], 1) for each in (50, 95, 99)}
    return {"source": name, "trades": len(found), **share}


async def run(rate: float, seconds: float) -> list[dict[str, object]]:
    results = []
    for name in SOURCES:
        with postgres() as server:
            await upgrade(server.url)
            engine = create_engine(server.url, Settings())
            results.append(await measure(name, engine, rate, seconds))
            await engine.dispose()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trades-per-second", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        results = runner.run(run(options.trades_per_second, options.seconds))
    report = {
        "bench": "sources",
        "commit": commit(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "batch_window_milliseconds": Settings().batch_max_milliseconds,
        "confirmed_to_bus_milliseconds": results,
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
