"""What a query over HTTP costs the server, beside servers of others over the same rows of the same Postgres.

    python bench/query.py [--seconds S] [--connections N] [--repeats R] [--only NAMES] [--json FILE]

Three requests: one token by its mint, the newest 50 tokens, and `__typename`, which reads nothing. All servers are
asked the same and must answer the same; none keeps answers. `cpu_microseconds` is user and system time of the API's
process for a request, without that of Postgres. Closed loop: as many requests in flight as connections. Needs
`make bench-peers` once.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from factories import T0, address, launch  # noqa: E402 - after the path
from servers import redis  # noqa: E402

from app.domain.events import Event  # noqa: E402
from app.settings import Settings  # noqa: E402
from app.store.engine import create_engine  # noqa: E402
from app.store.migrate import upgrade  # noqa: E402
from app.store.writer import Writer  # noqa: E402
from app.store.writer_batch import Work  # noqa: E402
from bench.backfill import postgres  # noqa: E402
from bench.decode import commit  # noqa: E402
from bench.peers.running import Running, check_node, curvecast, joined, load_generator, peer  # noqa: E402

TOKENS: Final = 200
SERVERS: Final = ("curvecast", "mercurius", "apollo", "strawberry")
_WARM_SECONDS: Final = 1.5
_FIELDS: Final = "mintAddress symbol name decimals createdAt creator { address }"
REQUESTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "one": {
        "query": f"query One($mint: String!) {{ token(mintAddress: $mint) {{ {_FIELDS} }} }}",
        "variables": {"mint": address("token 7")},
    },
    "list": {"query": f"{{ tokens(first: 50) {{ nodes {{ {_FIELDS} }} }} }}"},
    "bare": {"query": "{ __typename }"},
}


async def fill(url: str) -> None:
    """Launches of a day, one a minute."""
    settings = Settings()
    await upgrade(url)
    engine = create_engine(url, settings)
    events: list[Event] = [
        launch(mint=address(f"token {n}"), symbol=f"TOK{n}", block_time=T0 + 60 * n) for n in range(TOKENS)
    ]
    async with Writer(engine, settings, source="bench", is_simulated=True) as writer:
        await writer.write(Work(events=events, balances=[], rates=[]))
    await engine.dispose()


def ask(running: Running, request: Mapping[str, Any]) -> Any:
    """The data of one request."""
    url = f"http://127.0.0.1:{running.port}/graphql"
    asked = urllib.request.Request(url, json.dumps(request).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked) as answer:
        return json.load(answer)["data"]


def load(running: Running, request: Mapping[str, Any], connections: int, seconds: float) -> dict[str, float]:
    command: Sequence[object] = (
        *(load_generator("httpload"), running.port, connections, _WARM_SECONDS, seconds, joined(running.pids)),
        *("/graphql", json.dumps(request), '"data"'),
    )
    done = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


@contextmanager
def started(name: str, url: str) -> Iterator[Running]:
    if name != "curvecast":
        with peer(name, url) as running:
            yield running
        return
    with redis() as bus, curvecast({"CURVECAST_DATABASE_URL": url, "CURVECAST_REDIS_URL": bus.url}) as running:
        yield running


def measure(
    url: str, servers: Sequence[str], given: argparse.Namespace
) -> dict[str, dict[str, list[dict[str, float]]]]:
    """By request and server, a dictionary of figures for each repeat. Repeats are rounds over all servers."""
    figures: dict[str, dict[str, list[dict[str, float]]]] = {case: {} for case in REQUESTS}
    answers: dict[str, Any] = {}
    for _ in range(given.repeats):
        for name in servers:
            with started(name, url) as running:
                for case, request in REQUESTS.items():
                    answer = ask(running, request)
                    if answers.setdefault(case, answer) != answer:
                        sys.exit(f"{name} answers {case!r} differently: {answer}, not {answers[case]}")
                    found = load(running, request, given.connections, given.seconds)
                    figures[case].setdefault(name, []).append(found)
    return figures


def summary(runs: Sequence[Mapping[str, float]], ours: float) -> dict[str, float]:
    """Medians of the repeats; `times_ours` is of CPU a request."""
    medians = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
    return {**medians, "times_ours": round(medians["cpu_microseconds"] / ours, 2)} if ours else medians


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default=",".join(SERVERS), help="servers, with commas between them")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    check_node()
    load_before = os.getloadavg()[0]
    with postgres() as server:
        asyncio.run(fill(server.url))
        figures = measure(server.url, given.only.split(","), given)
    report: dict[str, Any] = {
        "commit": commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "load_before": round(load_before, 2),
    }
    for case, servers in figures.items():
        ours = (
            statistics.median(run["cpu_microseconds"] for run in servers["curvecast"]) if "curvecast" in servers else 0
        )
        report[case] = {name: summary(runs, ours) for name, runs in servers.items()}
    text = json.dumps(report, indent=2)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
