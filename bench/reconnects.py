"""A storm: thousands of clients come again within a second, each resuming after its cursor.

    python bench/reconnects.py [--clients N] [--workers W] [--fresh] [--json FILE]

`curvecast serve` over a stored market, and the clients in this process. They come within one second, lose their sockets
all at once, and come again within one second; both times are told. `acknowledged` is the time from the storm's
beginning to a client's `connection_ack`, `resumed` to the stored trade after its cursor. Whoever is refused tries again
as graphql-ws would, where the refusal lets it; `refused` counts by reason, and those after which a client would not
come again are in `lost`. CPU is in seconds. `polite` is a query every 20 ms
beside it; `overflows` counts when the accept queue was full.
"""

import argparse
import asyncio
import json
import os
import platform
import random
import re
import resource
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import httpx
import psutil
import uvloop

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from live.feeding import feed, mint  # noqa: E402 - after the path
from servers import redis  # noqa: E402

from app.bus.feed import Bus  # noqa: E402
from app.settings import Settings  # noqa: E402
from app.store.engine import create_engine  # noqa: E402
from app.store.migrate import upgrade  # noqa: E402
from bench.backfill import postgres  # noqa: E402
from bench.decode import commit  # noqa: E402
from bench.peers.running import Running, curvecast  # noqa: E402

_SEED: Final = 3
_MINT: Final = mint(_SEED)
_SECONDS: Final = 1.0
_LIMIT: Final = 60.0
_RETRYABLE: Final = {1000, 1001, 1005, 1006, 1012, 1013, 1014, 4403, 4408}
"""Close codes after which graphql-ws comes again by itself."""
_TRADES: Final = "query($m: String!) { token(mintAddress: $m) { trades(first: 2) { nodes { cursor } } } }"
_SUBSCRIBE: Final = "subscription($m: String!, $after: String) { trades(mintAddress: $m, after: $after) { signature } }"
_CODE: Final = re.compile(rb'"code":"(\w+)"')
_HANDSHAKE: Final = (
    b"GET /graphql HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)


def frame(text: bytes) -> bytes:
    """A masked text frame; the mask of zeros leaves the text as it is."""
    size = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2)
    return b"\x81" + size + bytes(4) + text


_HELLO: Final = frame(b'{"type":"subscribe","id":"1","payload":{"query":"{ __typename }"}}')
_INIT: Final = frame(b'{"type":"connection_init"}')


def settle(moment: "asyncio.Future[float]") -> None:
    if not moment.done():  # nobody waits any more once the limit is over
        moment.set_result(time.perf_counter())


class Visit(asyncio.Protocol):
    """One socket: it is told when it is acknowledged, when a trade comes, and how it ends."""

    def __init__(self, subscribe: bytes) -> None:
        loop = asyncio.get_running_loop()
        self.acknowledged: asyncio.Future[float] = loop.create_future()
        self.resumed: asyncio.Future[float] = loop.create_future()
        self.transport: asyncio.Transport | None = None
        self._subscribe = subscribe
        self._got = b""
        self._step = self._opened

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is none by its class
        self.transport.write(_HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        self._got += data
        self._step()

    def _opened(self) -> None:
        head, end, rest = self._got.partition(b"\r\n\r\n")
        if not end:
            return
        if not head.startswith(b"HTTP/1.1 101"):
            self._refuse(f"HTTP {head[9:12].decode()}")
            return
        self._got, self._step = rest, self._greeted
        assert self.transport is not None
        self.transport.write(_INIT)

    def _greeted(self) -> None:
        if b'"connection_ack"' in self._got:
            settle(self.acknowledged)
            assert self.transport is not None
            self.transport.write(self._subscribe)
            self._got, self._step = b"", self._answered
        elif self._got[:1] == b"\x88" and len(self._got) >= 4:
            self._refuse(str(int.from_bytes(self._got[2:4])))

    def _answered(self) -> None:
        if b'"next"' in self._got:
            settle(self.resumed)
            self._got, self._step = b"", self._ignore
        elif self._got[:1] == b"\x88" and len(self._got) >= 4:
            self._refuse(str(int.from_bytes(self._got[2:4])))
        elif found := _CODE.search(self._got):
            self._refuse(found[1].decode())

    def _ignore(self) -> None:
        self._got = b""

    def _refuse(self, why: str) -> None:
        for each in (self.acknowledged, self.resumed):
            if not each.done():
                each.set_exception(ConnectionRefusedError(why))
                each.exception()
        self.leave()

    def leave(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._refuse("1006")


class Client:
    """One that comes until it is resumed."""

    def __init__(self, port: int, subscribe: bytes, refused: Counter[str], lost: Counter[str]) -> None:
        self._port, self._subscribe = port, subscribe
        self._refused, self._lost = refused, lost
        self._visit: Visit | None = None
        self.acknowledged: float | None = None
        """Seconds after the storm began."""
        self.resumed: float | None = None

    async def come(self, began: float) -> None:
        """Returns when it is resumed, or gives up."""
        self.acknowledged = self.resumed = None
        await asyncio.sleep(random.uniform(0, _SECONDS))
        while True:
            try:
                loop = asyncio.get_running_loop()
                _, visit = await loop.create_connection(partial(Visit, self._subscribe), "127.0.0.1", self._port)
                self._visit = visit
                self.acknowledged = await visit.acknowledged - began
                self.resumed = await visit.resumed - began
                return
            except OSError as error:
                why = str(error)
                self._refused[why] += 1
                if why.isdecimal() and int(why) not in _RETRYABLE:
                    self._lost[why] += 1
                    return
                await asyncio.sleep(random.uniform(0.3, 1.3))

    def leave(self) -> None:
        if self._visit is not None:
            self._visit.leave()


def overflows() -> int:
    names, values = (line.split() for line in Path("/proc/net/netstat").read_text().splitlines()[:2])
    return int(values[names.index("ListenOverflows")])


@asynccontextmanager
async def polite(port: int) -> AsyncIterator[list[float]]:
    """Seconds that each of its queries took."""
    took: list[float] = []

    async def ask() -> None:
        async with httpx.AsyncClient(timeout=_LIMIT) as http:
            while True:
                began = time.perf_counter()
                await http.post(f"http://127.0.0.1:{port}/graphql", json={"query": "{ __typename }"})
                took.append(time.perf_counter() - began)
                await asyncio.sleep(0.02)

    asking = asyncio.create_task(ask())
    try:
        yield took
    finally:
        asking.cancel()
        await asyncio.wait({asking})


def told(seconds: Sequence[float | None]) -> dict[str, float]:
    known = [each for each in seconds if each is not None]
    if len(known) < 2:
        return {"count": len(known)}
    cuts = statistics.quantiles(known, n=100, method="inclusive")
    figures = {"p50": cuts[49], "p99": cuts[98], "max": max(known)}
    return {"count": len(known), **{name: round(figure, 2) for name, figure in figures.items()}}


def cpu(pids: Sequence[int]) -> float:
    return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in pids)


async def storm(
    clients: Sequence[Client], server: Running, refused: Counter[str], lost: Counter[str]
) -> dict[str, Any]:
    refused.clear()
    before, ours, theirs = overflows(), time.process_time(), cpu(server.pids)
    began = time.perf_counter()
    async with polite(server.port) as took:
        coming = [asyncio.create_task(each.come(began)) for each in clients]
        _, late = await asyncio.wait(coming, timeout=_LIMIT)
        for task in late:
            task.cancel()
        await asyncio.gather(*coming, return_exceptions=True)
    return {
        "acknowledged": told([each.acknowledged for each in clients]),
        "resumed": told([each.resumed for each in clients]),
        "all_within": None if late else round(time.perf_counter() - began, 2),
        "refused": dict(refused),
        "lost": dict(lost),
        "overflows": overflows() - before,
        "polite": told(took),
        "clients_cpu": round(time.process_time() - ours, 2),
        "server_cpu": round(cpu(server.pids) - theirs, 2),
    }


async def measure(server: Running, count: int, is_fresh: bool) -> dict[str, Any]:
    async with httpx.AsyncClient() as http:
        body = {"query": _TRADES, "variables": {"m": _MINT}}
        answer = (await http.post(f"http://127.0.0.1:{server.port}/graphql", json=body)).json()
    cursor = answer["data"]["token"]["trades"]["nodes"][1]["cursor"]
    payload = {"query": _SUBSCRIBE, "variables": {"m": _MINT, "after": cursor}}
    subscribe = _HELLO if is_fresh else frame(json.dumps({"id": "1", "type": "subscribe", "payload": payload}).encode())
    refused, lost = Counter[str](), Counter[str]()
    clients = [Client(server.port, subscribe, refused, lost) for _ in range(count)]
    first = await storm(clients, server, refused, lost)
    for each in clients:
        each.leave()
    return {"first": first, "again": await storm(clients, server, refused, lost)}


async def fill(database_url: str) -> None:
    await upgrade(database_url)
    bus, engine = Bus("memory://"), create_engine(database_url, Settings())
    await bus.connect()
    await feed(engine, bus.publish, _SEED, 300)
    await bus.disconnect()
    await engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--fresh", action="store_true", help="they ask for `__typename` and resume nothing")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with ExitStack() as stack:
        store, bus = stack.enter_context(postgres()), stack.enter_context(redis())
        asyncio.run(fill(store.url))
        settings = {"CURVECAST_DATABASE_URL": store.url, "CURVECAST_REDIS_URL": bus.url}
        server = stack.enter_context(curvecast(settings, given.workers))
        result = {
            "commit": commit(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
            "load_before": round(os.getloadavg()[0], 2),
            "clients": given.clients,
            "workers": given.workers,
            "fresh": given.fresh,
            **uvloop.run(measure(server, given.clients, given.fresh)),
        }
    text = json.dumps(result, indent=2)
    print(text)
    if given.json:
        given.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
