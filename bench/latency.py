"""How long a trade takes from its arrival at the indexer to a graphql-transport-ws client over loopback.

    python bench/latency.py [--rate R] [--seconds S] [--burst N] [--json FILE]

One process as `curvecast up` runs it (decoding, Postgres, bus in memory, API), one client process with a subscription
for each token. Trades arrive evenly, or `--burst N` of them at once as a block brings them. Printed beside it, in the
same run: the same rate of equal frames over a bare WebSocket of the same server.
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from app.application import create_app
from app.bus.feed import Bus
from app.settings import Settings
from app.store.embedded import EmbeddedPostgres
from app.store.engine import create_engine
from app.store.migrate import upgrade
from app.transport.messages import SUBPROTOCOL
from app.transport.server import server_options
from indexer.run import run_indexer
from indexer.sources import Delivery
from indexer.sources.selection import SourceOptions, open_source
from indexer.transaction import Transaction

SETTINGS = Settings(sol_usd="150", max_operations_per_socket=1_000)
TOKENS = 50
WARM_TRADES = 3_000
QUERY = "subscription($mint: String!) { trades(mintAddress: $mint) { signature side priceUsd volumeUsd } }"
FRAME = '{"id":"17","type":"next","payload":' + '"' + "x" * 180 + '"}'


class Arrivals:
    """A source that hands transactions over at a fixed rate and notes when."""

    def __init__(self, transactions: Sequence[Transaction], rate: float, burst: int) -> None:
        self.name = "latency"
        self.is_simulated = True
        self._transactions = transactions
        self._rate = rate
        self._burst = burst
        self.at: dict[str, float] = {}

    async def stream(self, state: bytes | None) -> AsyncIterator[Delivery]:
        start = time.monotonic()
        for first in range(0, len(self._transactions), self._burst):
            wait = start + first / self._rate - time.monotonic() if self._rate else 0
            await asyncio.sleep(max(wait, 0))
            chosen = tuple(self._transactions[first : first + self._burst])
            now = time.monotonic()
            self.at.update({transaction.signature: now for transaction in chosen})
            yield Delivery(transactions=chosen)


async def simulated(count: int) -> list[Transaction]:
    source = open_source("simulate", SourceOptions(rate=1_000, tokens=TOKENS, seed=3, count=count), Settings())
    return [transaction async for delivery in source.stream(None) for transaction in delivery.transactions]


def _raw(rate: float, seconds: float) -> WebSocketRoute:
    """The floor: frames of the same size at the same rate, each with the time at which it was handed to the socket."""

    async def send(socket: WebSocket) -> None:
        await socket.accept()
        start = time.monotonic()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(start + number / rate - time.monotonic(), 0))
            await socket.send_text(f"{time.monotonic()} {FRAME}")
        await socket.close()

    return WebSocketRoute("/raw", send)


@asynccontextmanager
async def served(app: Starlette) -> AsyncIterator[str]:
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="on", **server_options(SETTINGS))
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task


async def measure(rate: float, seconds: float, burst: int) -> dict[str, Any]:
    transactions = await simulated(WARM_TRADES + int(rate * seconds))
    with tempfile.TemporaryDirectory(prefix="curvecast-bench-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder))
        server.start()
        try:
            await upgrade(server.url)
            return await _measure(server.url, transactions, rate, seconds, burst)
        finally:
            server.stop()


async def _measure(
    url: str, transactions: Sequence[Transaction], rate: float, seconds: float, burst: int
) -> dict[str, Any]:
    engine, bus = create_engine(url, SETTINGS), Bus("memory://")
    await bus.connect()
    async with served(_with_raw(create_app(SETTINGS, engine=engine, bus=bus), rate, seconds)) as host:
        raw, _, _ = await _client("raw", host)
        await run_indexer(SETTINGS, engine, Arrivals(transactions[:WARM_TRADES], 0, 500), bus, once=True)
        arrivals = Arrivals(transactions[WARM_TRADES:], rate, burst)
        got, cpu, took = await _client("trades", host, lambda: run_indexer(SETTINGS, engine, arrivals, bus, once=True))
    await bus.disconnect()
    await engine.dispose()
    return {
        "rate": rate,
        "burst": burst,
        "received": len(got),
        "milliseconds": percentiles([at - arrivals.at[signature] for signature, at in got]),
        "bare_websocket_milliseconds": percentiles([at - float(sent) for sent, at in raw]),
        "server_cpu_share": round(cpu / took, 2),
    }


def _with_raw(api: Starlette, rate: float, seconds: float) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with api.router.lifespan_context(api):
            yield

    return Starlette(routes=[_raw(rate, seconds), Mount("/", api)], lifespan=lifespan)


async def _client(
    kind: str, host: str, work: Callable[[], Awaitable[object]] | None = None
) -> tuple[list[tuple[str, float]], float, float]:
    """What a client process got while `work` ran, and the CPU and wall seconds that the work took."""
    command = [sys.executable, __file__, "--client", kind, "--host", host]
    process = await asyncio.create_subprocess_exec(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**26)
    assert process.stdin is not None
    assert process.stdout is not None
    await process.stdout.readline()  # it has subscribed
    started, cpu = time.monotonic(), time.process_time()
    if work is not None:
        await work()
        cpu, started = time.process_time() - cpu, time.monotonic() - started
        await asyncio.sleep(1)
        process.stdin.write(b"stop\n")
    got = json.loads(await process.stdout.readline())
    await process.wait()
    return got, cpu, started


async def client_raw(host: str) -> list[tuple[str, float]]:
    async with connect(f"ws://{host}/raw", compression=None) as socket:
        print("ready", flush=True)
        return [(str(frame).split(" ", 1)[0], time.monotonic()) async for frame in socket]


async def client_trades(host: str) -> list[tuple[str, float]]:
    async with connect(f"ws://{host}/graphql", subprotocols=[Subprotocol(SUBPROTOCOL)], compression=None) as socket:
        await socket.send('{"type": "connection_init"}')
        await socket.recv()
        await socket.send(_subscribe("mints", "{ tokens(first: 200) { nodes { mintAddress } } }"))
        tokens = json.loads(await socket.recv())["payload"]["data"]["tokens"]["nodes"]
        await socket.recv()
        for number, token in enumerate(tokens):
            await socket.send(_subscribe(str(number), QUERY, mint=token["mintAddress"]))
        await socket.send('{"type": "ping"}')
        await socket.recv()
        print("ready", flush=True)
        return await _until_told(socket)


async def _until_told(socket: ClientConnection) -> list[tuple[str, float]]:
    got: list[tuple[str, float]] = []

    async def read() -> None:
        async for frame in socket:
            at = time.monotonic()
            got.append((json.loads(frame)["payload"]["data"]["trades"]["signature"], at))

    reader = asyncio.create_task(read())
    await asyncio.to_thread(sys.stdin.readline)
    reader.cancel()
    return got


def _subscribe(name: str, query: str, **variables: str) -> str:
    return json.dumps({"type": "subscribe", "id": name, "payload": {"query": query, "variables": variables}})


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p99 and the largest, in milliseconds."""
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return {
        "p50": round(ordered[last // 2] * 1_000, 2),
        "p99": round(ordered[last * 99 // 100] * 1_000, 2),
        "max": round(ordered[last] * 1_000, 2),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rate", type=float, default=1_000, help="trades a second")
    arguments.add_argument("--seconds", type=float, default=10)
    arguments.add_argument("--burst", type=int, default=1, help="trades that arrive at once")
    arguments.add_argument("--json", type=Path, help="also write the results here")
    arguments.add_argument("--client", choices=["raw", "trades"], help=argparse.SUPPRESS)
    arguments.add_argument("--host", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.client:
        client = client_raw if given.client == "raw" else client_trades
        print(json.dumps(asyncio.run(client(given.host))), flush=True)
        return
    machine = {"python": platform.python_version(), "cpus": os.cpu_count(), "machine": platform.machine()}
    results = {**machine, **asyncio.run(measure(given.rate, given.seconds, given.burst))}
    print(json.dumps(results, indent=2))
    if given.json:
        given.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
