"""What a delivered event costs the server, beside servers of others that deliver the same, in one run.

    python bench/fanout.py [--cases NAMES] [--only NAMES] [--seconds S] [--repeats R] [--soak MINUTES] [--json FILE]

`cpu_microseconds` is user and system time of all the server's processes for a delivery, from /proc, without Postgres
and Redis. Each case is a new server; repeats are rounds over all servers; medians are told, and `times_ours`. Every
message is checked by `bench/peers/wsload.c`; whoever loses or spoils one is named in `faults`. `raw` writes a ready
frame to each socket and does nothing else: the limit without joining frames. Needs `make bench-peers` once.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from servers import redis  # noqa: E402 - after the path

from bench.backfill import postgres  # noqa: E402
from bench.decode import commit  # noqa: E402
from bench.peers.market import fill, mints, open_folder  # noqa: E402
from bench.peers.running import check_node, curvecast, fed_curvecast, joined, load_generator, peer, redis_feed  # noqa: E402
from bench.peers.soaking import soak  # noqa: E402

QUERY: Final = (
    "subscription Trades($mint: String!) { trades(mintAddress: $mint) "
    "{ signature side priceSol quoteAmount tokenAmount blockTime trader { address } } }"
)
PEERS: Final = ("mercurius", "graphql-ws", "apollo", "strawberry")
OURS: Final = ("curvecast",)
SERVERS: Final = (*OURS, *PEERS, "raw")


@dataclass(frozen=True)
class Case:
    """What the load generator does, and who is asked."""

    about: str
    connections: int
    options: Sequence[str]
    mints: int = 1
    servers: Sequence[str] = SERVERS
    figure: str = "cpu_microseconds"
    """What is compared."""


CASES: Final[Mapping[str, Case]] = {
    "one": Case("1,000 subscribers of one document, one event in flight", 1_000, ("--in-flight", "1")),
    "saturated": Case("the same with 32 events in flight", 1_000, ("--in-flight", "32")),
    "hundred": Case("100 subscribers, one event in flight", 100, ("--in-flight", "1")),
    "documents": Case(
        "5,000 different documents, an event for all",
        5_000,
        ("--in-flight", "1", "--distinct"),
        servers=(*OURS, *PEERS),
    ),
    "variables": Case(
        "5,000 different variables, an event for each", 5_000, ("--in-flight", "50"), 5_000, (*OURS, *PEERS)
    ),
    "topics": Case(
        "1,000 subscribers of 50 tokens, 32 events in flight", 1_000, ("--in-flight", "32"), 50, (*OURS, *PEERS)
    ),
    "idle": Case("5,000 subscribed sockets without events", 5_000, ("--idle",), figure="kib_per_connection"),
    "latency": Case("1,000 subscribers, 10,000 deliveries a second", 1_000, ("--rate", "10"), figure="p99_ms"),
    "redis": Case("as `one`, fed through Redis", 1_000, ("--in-flight", "1"), servers=("redis",)),
    "redis-saturated": Case("as `saturated`, fed through Redis", 1_000, ("--in-flight", "32"), servers=("redis",)),
    "workers": Case("the same with two workers", 1_000, ("--in-flight", "32"), servers=("workers",)),
}


@dataclass(frozen=True)
class Market:
    """What the servers are started over."""

    folder: Path
    environment: Mapping[str, str]
    redis_url: str


@contextmanager
def market() -> Iterator[Market]:
    with postgres() as store, redis() as bus, tempfile.TemporaryDirectory(prefix="curvecast-bench-") as name:
        folder = Path(name)
        open_folder(folder)
        asyncio.run(fill(store.url, folder))
        yield Market(folder, {"CURVECAST_DATABASE_URL": store.url}, bus.url)


@contextmanager
def started(name: str, over: Market) -> Iterator[Sequence[str]]:
    """The load generator's options for a server that has just been started."""
    with ExitStack() as stack:
        if name in ("redis", "workers"):
            environment = {**over.environment, "CURVECAST_REDIS_URL": over.redis_url}
            feed = stack.enter_context(redis_feed(over.folder, over.redis_url))
            running = stack.enter_context(curvecast(environment, workers=2 if name == "workers" else 1))
        elif name in OURS:
            running = stack.enter_context(fed_curvecast(over.folder, over.environment))
            feed = running.port + 1
        else:
            running = stack.enter_context(peer(name))
            feed = running.port + 1
        yield "--port", str(running.port), "--feed", str(feed), "--pids", joined(running.pids)


def load(case: Case, server: Sequence[str], over: Market, seconds: float) -> dict[str, float]:
    """Figures of one run; `faults` counts what was lost or wrong."""
    command = (
        *(load_generator("wsload"), *server, "--query", QUERY, "--mints", str(mints(over.folder, case.mints))),
        *("--connections", str(case.connections), "--seconds", str(seconds), "--warm", "2", *case.options),
    )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        sys.exit(f"The load generator failed: {done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout)
    figures["faults"] = sum(abs(figures.pop(name)) for name in ("missing", "bad", "other", "closed"))
    if figures["faults"]:
        print(f"{case.about}: {figures['faults']} faults. {done.stderr[:500]}", file=sys.stderr)
    return figures


def measure(names: Sequence[str], servers: Sequence[str], over: Market, given: argparse.Namespace) -> Iterator[Any]:
    """For each run: case, server and figures."""
    for _ in range(given.repeats):
        for name in names:
            for server in CASES[name].servers:
                if server in servers or server in ("redis", "workers"):
                    with started(server, over) as options:
                        yield name, server, load(CASES[name], options, over, given.seconds)
                    print(".", end="", file=sys.stderr, flush=True)


def report(case: Case, runs: Mapping[str, Sequence[Mapping[str, float]]]) -> dict[str, Any]:
    """Medians by server, and the best peer against ours."""
    medians = {
        server: {name: statistics.median(run[name] for run in found) for name in found[0]}
        for server, found in runs.items()
    }
    ours = next((each[case.figure] for name, each in medians.items() if name in OURS), 0)
    for each in medians.values():
        if ours and each[case.figure]:
            each["times_ours"] = round(each[case.figure] / ours, 2)
    return {"about": case.about, "compared": case.figure, **medians}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES), help="with commas between them; none with `--cases=`")
    parser.add_argument("--only", default=",".join(SERVERS), help="servers, with commas between them")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--soak", type=float, default=0.0, metavar="MINUTES", help="2,000 events a second for so long")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    check_node()
    result: dict[str, Any] = {
        "commit": commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load_before": round(os.getloadavg()[0], 2),
    }
    runs: dict[str, dict[str, list[Mapping[str, float]]]] = {}
    with market() as over:
        for case, server, figures in measure(
            [n for n in given.cases.split(",") if n], given.only.split(","), over, given
        ):
            runs.setdefault(case, {}).setdefault(server, []).append(figures)
        result |= {case: report(CASES[case], found) for case, found in runs.items()}
        if given.soak:
            with started("curvecast", over) as options:
                result["soak"] = soak(options, QUERY, mints(over.folder, 100), given.soak)
    text = json.dumps(result, indent=2)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
