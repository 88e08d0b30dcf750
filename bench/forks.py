"""How long it takes to withdraw 31 slots of a chain, beside storing the same slots, in the same run.

python bench/forks.py [--trades-per-second 300]
"""

import argparse
import asyncio
import gc
import json
import os
import platform
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from factories import SLOT0  # noqa: E402 - after the path
from forks import busy, works  # noqa: E402

from app.settings import Settings  # noqa: E402
from app.store.engine import create_engine  # noqa: E402
from app.store.migrate import upgrade  # noqa: E402
from app.store.writer import Writer  # noqa: E402
from app.store.writer_batch import Work  # noqa: E402
from bench.backfill import SLOTS_A_SECOND, postgres  # noqa: E402
from bench.decode import commit  # noqa: E402

DEPTH = 31


async def measure(rate: float) -> dict[str, object]:
    a_slot = round(rate / SLOTS_A_SECOND)
    story = busy(2 * DEPTH, a_slot)
    settings = Settings(sol_usd="150")
    with postgres() as server:
        await upgrade(server.url)
        engine = create_engine(server.url, settings)
        async with Writer(engine, settings, source="bench", is_simulated=False) as writer:
            for work in works(story[: DEPTH * a_slot], 1_000):
                await writer.write(work)
            started = time.perf_counter()
            for work in works(story[DEPTH * a_slot :], 1_000):
                await writer.write(work)
            stored = time.perf_counter() - started
            started, cpu = time.perf_counter(), time.process_time()
            found = await writer.write(Work(retracted=list(range(SLOT0 + DEPTH, SLOT0 + 2 * DEPTH))))
            withdrawn, cpu = time.perf_counter() - started, time.process_time() - cpu
        await engine.dispose()
    return {
        "bench": "forks",
        "commit": commit(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "slots": DEPTH,
        "records": len(found.batch.rolled_back),
        "withdrawing_seconds": round(withdrawn, 2),
        "cpu_seconds_of_python": round(cpu, 2),
        "times_storing_them": round(withdrawn / stored, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trades-per-second", type=float, default=300)
    gc.set_threshold(50_000, 20, 50)  # as `curvecast` does
    print(json.dumps(asyncio.run(measure(parser.parse_args().trades_per_second)), indent=1))


if __name__ == "__main__":
    main()
