"""What refusing costs the others: latency of one polite client while another sends what must be refused.

    python bench/refusals.py [--seconds S] [--json FILE]

One server process with the real schema and no database (the polite client asks for `__typename`), one process with both
clients. Each row is one attack, sent over HTTP as fast as the server answers; `alone` is the polite client by itself.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import platform
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from app.execution.operations import Operation, Operations
from app.execution.requests import GraphQLRequest
from app.fanout.members import Member
from app.metrics import Metrics
from app.schema import core_schema
from app.settings import Settings
from app.transport.door import Door
from app.transport.server import server_options
from app.transport.streams import Streams
from app.transport.view import FRAMINGS, View

SETTINGS = Settings()
_NODE = "nodes { mintAddress }"


def _doubled(levels: int) -> str:
    """Fragments that spread the next one twice: they stand for 2^levels fields."""
    links = "".join(f"fragment f{n} on Token {{ ...f{n + 1} ...f{n + 1} }} " for n in range(levels))
    return f"{{ tokens {{ nodes {{ ...f0 }} }} }} {links} fragment f{levels} on Token {{ asOf {{ slot }} }}"


ATTACKS = {
    "60,000 tokens": "{" + " a" * 60_000 + "}",
    "2^24 doubled fragments": _doubled(24),
    "one name 390 times": "{" + f"tokens {{ {_NODE} }}" * 390 + "}",
    "250,000 spaces": "{" + " " * 250_000 + "__typename }",
    "a text of 200,000 characters": '{ __type(name: "' + "x" * 200_000 + '") { name } }',
    "1,900 unknown fields": "{" + " ".join(f"field{n}" for n in range(1_900)) + "}",
}


class _Nobody:
    """No attack of these subscribes."""

    def join(self, request: GraphQLRequest, member: Member) -> bool:
        return False

    async def subscribe(
        self, operation: Operation, request: GraphQLRequest, member: Member, after: str | None = None
    ) -> None:
        member.end(None)


def serve(port: int) -> None:
    operations = Operations(core_schema, SETTINGS, object)
    streams = Streams(_Nobody(), FRAMINGS, Door(SETTINGS.max_sockets), Metrics())
    app = Starlette(routes=[Route("/graphql", View(operations, streams, SETTINGS, Metrics()))])
    uvicorn.run(app, port=port, log_config=None, **server_options(SETTINGS))


async def _ask(http: httpx.AsyncClient, query: str) -> int:
    return (await http.post("/graphql", json={"query": query})).status_code


async def _polite(http: httpx.AsyncClient, until: float) -> list[float]:
    took = []
    while time.perf_counter() < until:
        started = time.perf_counter()
        await _ask(http, "{ __typename }")
        took.append(time.perf_counter() - started)
        await asyncio.sleep(0.005)
    return took


async def _attack(http: httpx.AsyncClient, query: str, until: float) -> int:
    sent = 0
    while time.perf_counter() < until:
        await _ask(http, query)
        sent += 1
    return sent


async def measure(port: int, seconds: float) -> dict[str, Any]:
    base = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=base, timeout=60) as one, httpx.AsyncClient(base_url=base, timeout=60) as two:
        await _answers(one)
        rows = {"alone": _row(await _polite(one, time.perf_counter() + seconds), 0, seconds)}
        for name, query in ATTACKS.items():
            until = time.perf_counter() + seconds
            took, sent = await asyncio.gather(_polite(one, until), _attack(two, query, until))
            rows[name] = _row(took, sent, seconds)
        return rows


async def _answers(http: httpx.AsyncClient) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await _ask(http, "{ __typename }")
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return


def _row(took: list[float], sent: int, seconds: float) -> dict[str, float]:
    ordered = sorted(took)
    last = len(ordered) - 1
    return {
        "refused_per_second": round(sent / seconds, 1),
        "polite_p50_ms": round(ordered[last // 2] * 1_000, 1),
        "polite_p99_ms": round(ordered[last * 99 // 100] * 1_000, 1),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=3, help="length of each row")
    arguments.add_argument("--json", type=Path, help="also write the results here")
    given = arguments.parse_args()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(port,))
    server.start()
    try:
        rows = asyncio.run(measure(port, given.seconds))
    finally:
        server.terminate()
        server.join()
    results = {"python": platform.python_version(), "cpus": os.cpu_count(), "machine": platform.machine(), "rows": rows}
    print(json.dumps(results, indent=2))
    if given.json:
        given.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
