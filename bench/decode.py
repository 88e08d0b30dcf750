"""Raw JSON bytes to domain events on one core, against `json.loads` of the same bytes in the same run.

    python bench/decode.py [--seconds 3]

Feeds the recorded transactions beside the repository, each as often as any other; where they are absent, transactions
that the project makes itself. One number is the point: transactions a second. It says nothing of reading files, of the
store, or of a machine with other memory; the ratio to `json.loads` is the part that travels.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import chain  # noqa: E402 - after the path

from indexer.decoders import decode  # noqa: E402
from indexer.layouts.dynamic_bonding_curve import DBC  # noqa: E402
from indexer.layouts.pump_amm import PUMP_AMM  # noqa: E402
from indexer.parse import parse  # noqa: E402
from indexer.recordings import write_recording  # noqa: E402

RECORDED = ROOT.parent / "shared" / "data" / "transactions"
ROUNDS = 5


def recorded() -> list[bytes]:
    """The recordings as a node sends them: without the spaces that make the files readable."""
    documents = (json.loads(file.read_bytes()) for file in sorted(RECORDED.glob("*.json")))
    return [json.dumps(document, separators=(",", ":")).encode() for document in documents]


def made() -> list[bytes]:
    """A pump buy, a PumpSwap buy and a DBC swap."""
    out = BytesIO()
    steps = (
        chain.pump_buy(chain.pump_trade()),
        (chain.swap_call(), chain.self_cpi(PUMP_AMM, chain.swap_buy())),
        (chain.dbc_call(), *(chain.self_cpi(DBC, chain.dbc_swap(name)) for name in ("EvtSwap", "EvtSwap2"))),
    )
    write_recording(out, [chain.transaction(*s, post_balances=(chain.balance(chain.MINT),)) for s in steps])
    return out.getvalue().splitlines()


def to_events(data: bytes) -> int:
    return sum(len(decode(transaction).events) for transaction in parse(data).transactions)


def seconds_each(work: Callable[[bytes], object], documents: list[bytes], seconds: float) -> float:
    """CPU seconds for one document: the best of some rounds, so that a busy neighbour does not count."""
    best = float("inf")
    for _ in range(ROUNDS):
        passes, start = 0, time.process_time()
        while (spent := time.process_time() - start) < seconds / ROUNDS:
            for document in documents:
                work(document)
            passes += 1
        best = min(best, spent / (passes * len(documents)))
    return best


def commit() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0, help="CPU time for each of the two measurements")
    seconds = parser.parse_args().seconds
    documents = recorded() or made()
    baseline = seconds_each(json.loads, documents, seconds)
    full = seconds_each(to_events, documents, seconds)
    result = {
        "bench": "decode",
        "commit": commit(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "input": "recordings" if RECORDED.is_dir() else "made by the project",
        "documents": len(documents),
        "bytes_each": sum(map(len, documents)) // len(documents),
        "events_each": round(sum(map(to_events, documents)) / len(documents), 2),
        "transactions_per_second": round(1 / full),
        "microseconds_each": round(full * 1e6, 1),
        "json_loads_microseconds_each": round(baseline * 1e6, 1),
        "ratio_to_json_loads": round(full / baseline, 2),
    }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
