"""A mainnet-sized getBlock answer to domain events on one core, against `json.loads` and solders on the same bytes.

    python bench/block.py [--rounds 9]

2,000 transactions: 1,500 votes, 250 of other programs, 250 of ours (recorded ones where they lie beside the
repository), which is more trades than a busy block has. The figure is CPU milliseconds a block. It says nothing of the
network, of TLS or of unpacking gzip.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from solders.rpc.responses import GetBlockResp  # noqa: E402

from app.domain.programs import Commitment  # noqa: E402
from bench.decode import commit, made, recorded  # noqa: E402 - after the path
from indexer.decoders import decode  # noqa: E402
from indexer.rpc.block import read_block  # noqa: E402

SLOT = 450_000_000
TRANSACTIONS = 2_000
HASH = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"


def vote() -> dict[str, Any]:
    """A vote as nodes write it: no inner instructions, no tokens."""
    keys = [f"{letter * 43}" for letter in "ABC"] + ["Vote111111111111111111111111111111111111111"]
    logs = [f"Program {keys[3]} invoke [1]", f"Program {keys[3]} success"]
    balances = [9_999_995_000, 27_074_400, 1, 1]
    return {
        "transaction": {
            "signatures": ["5" * 87],
            "message": {
                "header": {
                    "numRequiredSignatures": 1,
                    "numReadonlySignedAccounts": 0,
                    "numReadonlyUnsignedAccounts": 1,
                },
                "accountKeys": keys,
                "recentBlockhash": HASH,
                "instructions": [{"programIdIndex": 3, "accounts": [1, 0], "data": "2" * 200, "stackHeight": 1}],
            },
        },
        "meta": {
            "err": None,
            "status": {"Ok": None},
            "fee": 5_000,
            "preBalances": balances,
            "postBalances": balances,
            "innerInstructions": [],
            "logMessages": logs,
            "preTokenBalances": [],
            "postTokenBalances": [],
            "rewards": None,
            "loadedAddresses": {"writable": [], "readonly": []},
            "computeUnitsConsumed": 2_100,
        },
        "version": "legacy",
    }


def element(document: dict[str, Any]) -> dict[str, Any]:
    """What a block holds of a getTransaction result."""
    return {name: document[name] for name in ("transaction", "meta", "version") if name in document}


def solders_reads(document: dict[str, Any]) -> bool:
    """Whether solders can: it knows no version 1, and some recordings were rebuilt from captures that lack parts."""
    try:
        solders(answer([document]))
    except Exception:
        return False
    return True


def foreign(document: dict[str, Any]) -> dict[str, Any]:
    """The same transaction of programs that nobody knows: as long, and of no concern."""
    text = json.dumps(document)
    for mark in ("6EF8", "pAMM", "dbci", "39az"):
        text = text.replace(mark, "9999")
    other: dict[str, Any] = json.loads(text)
    return other


def block(ours: list[dict[str, Any]]) -> bytes:
    """The bytes that a node would send."""
    eighth = TRANSACTIONS // 8
    mixed = zip(
        islice(cycle(ours), eighth),
        islice(cycle([foreign(document) for document in ours]), eighth),
        *([vote()] * eighth for _ in range(6)),
        strict=True,
    )
    return answer([each for eight in mixed for each in eight])


def answer(transactions: list[dict[str, Any]]) -> bytes:
    result = {
        "blockHeight": SLOT - 1,
        "blockTime": 1_790_000_000,
        "blockhash": HASH,
        "parentSlot": SLOT - 1,
        "previousBlockhash": HASH,
        "transactions": transactions,
    }
    return json.dumps({"jsonrpc": "2.0", "result": result, "id": 0}, separators=(",", ":")).encode()


def to_events(data: bytes) -> int:
    read = read_block(data, SLOT, Commitment.CONFIRMED)
    return sum(len(decode(transaction).events) for transaction in read.transactions) if read else 0


def milliseconds(work: Callable[[bytes], object], data: bytes, rounds: int) -> float:
    """CPU time of the best round."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        work(data)
        best = min(best, time.process_time() - start)
    return round(best * 1_000, 1)


def solders(data: bytes) -> object:
    """What solana-py's AsyncClient does with an answer."""
    return GetBlockResp.from_json(data.decode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    documents = [element(json.loads(each)) for each in recorded() or made()]
    data = block(documents)
    full, baseline = milliseconds(to_events, data, rounds), milliseconds(json.loads, data, rounds)
    result = {
        "bench": "block",
        "commit": commit(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "bytes": len(data),
        "transactions": TRANSACTIONS,
        "events": to_events(data),
        "milliseconds": full,
        "json_loads_milliseconds": baseline,
        "ratio_to_json_loads": round(full / baseline, 2),
    }
    if readable := [document for document in documents if solders_reads(document)]:
        # On a block of what solders can read; ours on the same bytes beside it.
        smaller = block(readable)
        result["solders_milliseconds"] = milliseconds(solders, smaller, rounds)
        result["ours_on_the_same_bytes_milliseconds"] = milliseconds(to_events, smaller, rounds)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
