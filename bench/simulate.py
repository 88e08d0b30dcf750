"""How many trades a second the simulated market can make on one core, beside decoding the same transactions.

    python bench/simulate.py [--trades N] [--paced SECONDS] [--json FILE]

One number is the point: CPU seconds a trade of the source alone, unpaced, read as the pipeline reads it: with a decoder
between its deliveries. The baseline in the same run is that `decode` of what it made: a source that costs less than its
first consumer is not what holds the indexer back. `--paced` also lets it run at its highest rate by the clock, read by
nobody else, and says how many trades each whole second brought and what share of a core that took.
"""

import argparse
import asyncio
import gc
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from indexer.decoders import decode  # noqa: E402 - after the path
from indexer.sources.simulate import MAX_RATE, SimulateSource  # noqa: E402
from indexer.transaction import Transaction  # noqa: E402

STARTED = 1_790_000_000


async def make(trades: int) -> tuple[float, float, int]:
    """CPU seconds of making and of decoding, and how many transactions it were."""
    source = SimulateSource(rate=MAX_RATE, tokens=300, count=trades, started=STARTED, paced=False)
    making = decoding = 0.0
    count = 0
    begun = time.process_time()
    async for delivery in source.stream(None):
        making += time.process_time() - begun
        begun = time.process_time()
        decode_all(delivery.transactions)
        count += len(delivery.transactions)
        decoding += time.process_time() - begun
        begun = time.process_time()
    return making, decoding, count


async def pace(seconds: int) -> tuple[list[int], float]:
    """Trades in each second but the first, and the share of a core, at the highest rate."""
    source = SimulateSource(rate=MAX_RATE, tokens=300, history_seconds=0)
    begun, cpu = time.monotonic(), time.process_time()
    counts = [0] * (seconds + 1)
    async for delivery in source.stream(None):
        second = int(time.monotonic() - begun)
        if second > seconds:
            break
        counts[second] += sum(not transaction.failed for transaction in delivery.transactions)
    return counts[1:], (time.process_time() - cpu) / (time.monotonic() - begun)


def decode_all(transactions: tuple[Transaction, ...]) -> None:
    for transaction in transactions:
        decode(transaction)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trades", type=int, default=200_000)
    parser.add_argument("--paced", type=int, default=0, metavar="SECONDS", help="also run by the clock for so long")
    parser.add_argument("--json", type=Path, help="also write the results here")
    options = parser.parse_args()
    gc.set_threshold(50_000, 20, 50)  # as the command does
    load = os.getloadavg()[0]
    making, decoding, transactions = asyncio.run(make(options.trades))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout
    result: dict[str, object] = {
        "bench": "simulate",
        "commit": commit.strip(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": load,
        "trades": options.trades,
        "transactions": transactions,
        "trades_per_second": round(options.trades / making),
        "microseconds_each": round(making / options.trades * 1e6, 1),
        "decoded_per_second": round(transactions / decoding),
        "ratio_to_decoding": round(making / decoding, 2),
    }
    if options.paced:
        counts, share = asyncio.run(pace(options.paced))
        result |= {
            "paced_each_second": [min(counts), round(median(counts)), max(counts)],
            "paced_cores": round(share, 2),
        }
    print(json.dumps(result, indent=1))
    if options.json:
        options.json.write_text(json.dumps(result) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
