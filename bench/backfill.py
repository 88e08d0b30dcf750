"""How fast a gap is filled from a node, against real time and against only fetching the same blocks.

    python bench/backfill.py [--slots 600] [--trades-per-second 100] [--pad 0]

The node runs in a process of its own, so that two cores are used as they are in life; it has every block written
beforehand and sends it uncompressed, so that what is measured is not the node. `--pad N` makes every block as large as
mainnet's, with N transactions (2,000). Afterwards the filled range is read again and compared (`verify`).
"""

import argparse
import asyncio
import gc
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import httpx2  # noqa: E402 - after the path
import uvloop  # noqa: E402

from app.bus.feed import Bus  # noqa: E402
from app.domain.slots import Gap, OpenGap, SlotRange  # noqa: E402
from app.settings import Settings  # noqa: E402
from app.store.embedded import EmbeddedPostgres  # noqa: E402
from app.store.engine import create_engine  # noqa: E402
from app.store.gaps import open_gap, open_gaps  # noqa: E402
from app.store.migrate import upgrade  # noqa: E402
from bench.decode import commit  # noqa: E402
from indexer.rpc.node import Node  # noqa: E402
from indexer.rpc.pool import Pool  # noqa: E402
from indexer.run import run_indexer  # noqa: E402
from indexer.sources.backfill import BackfillSource  # noqa: E402
from indexer.verify import verify  # noqa: E402

if TYPE_CHECKING:
    from node.rpc import Rpc

SLOTS_A_SECOND = 2.5
BELOW_TIP = 70
"""Final, and the margin that a backfill keeps."""
AHEAD = 8
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def getblock(slot: int) -> dict[str, object]:
    """The question for a whole block."""
    config = {"encoding": "json", "maxSupportedTransactionVersion": 1, "rewards": False, "commitment": "finalized"}
    return {"jsonrpc": "2.0", "id": 1, "method": "getBlock", "params": [slot, config]}


async def serve(options: argparse.Namespace) -> None:
    """The node's process: makes the chain, prints where it is, and answers until it is killed."""
    from node.chain import Chain, Mix
    from node.faults import Faults
    from node.material import simulated
    from node.rpc import Rpc

    chain = Chain(simulated(rate=options.trades_per_second, tokens=100), Mix(failed_share=0), keep_bytes=8 << 30)
    if options.pad:
        chain.pad(options.slots + 2 * BELOW_TIP, transactions=options.pad)
    await chain.advance(options.slots + 2 * BELOW_TIP)
    blocks = list(chain.blocks(0, chain.slot - BELOW_TIP))[-options.slots :]
    rpc, slots = Rpc(chain, Faults()), [each.slot for each in blocks]
    ready = {slot: rpc.answer(getblock(slot)) for slot in slots}
    server = await asyncio.get_running_loop().create_server(lambda: Plain(rpc, ready), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    print(json.dumps({"url": url, "slots": slots}), flush=True)
    await server.serve_forever()


class Plain(asyncio.Protocol):
    """HTTP as far as a client of JSON-RPC needs it, at the cost of sending bytes that are ready."""

    def __init__(self, rpc: "Rpc", ready: dict[int, bytes]) -> None:
        self._rpc, self._ready, self._read = rpc, ready, b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as TCP has it
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, _, body = self._read.partition(b"\r\n\r\n")
        if len(body) < int((_LENGTH.search(head) or [0, 1 << 30])[1]):
            return
        self._read = b""
        asked = json.loads(body)
        whole = asked["method"] == "getBlock" and asked["params"][1].get("transactionDetails") != "none"
        answer = self._ready[asked["params"][0]] if whole else self._rpc.answer(asked)
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(answer))
        self._transport.write(answer)


async def fetch_only(url: str, slots: list[int]) -> tuple[float, int]:
    """Seconds to fetch the blocks and do nothing with them, and their bytes."""
    room, size = asyncio.Semaphore(AHEAD), 0

    async def fetch(client: httpx2.AsyncClient, slot: int) -> int:
        async with room:
            return len((await client.post(url, json=getblock(slot), timeout=60)).content)

    started = time.perf_counter()
    async with httpx2.AsyncClient() as client:
        size = sum(await asyncio.gather(*(fetch(client, slot) for slot in slots)))
    return time.perf_counter() - started, size


@contextmanager
def postgres() -> Iterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory(prefix="curvecast-bench-") as folder:
        Path(folder).chmod(0o755)
        server = EmbeddedPostgres(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


async def measure(url: str, slots: list[int]) -> None:
    wanted = SlotRange(slots[0] + 1, slots[-1])
    raw, size = await fetch_only(url, slots[1:])
    with postgres() as server:
        await upgrade(server.url)
        settings = Settings()
        engine, bus = create_engine(server.url, settings), Bus("memory://")
        await bus.connect()
        await open_gap(engine, Gap(wanted, "the bench took it"), "bench")

        async def gaps() -> list[OpenGap]:
            return await open_gaps(engine)

        started, cpu = time.perf_counter(), time.process_time()
        source = BackfillSource(Pool(url), gaps, until_filled=True)
        counters = await run_indexer(settings, engine, source, bus, once=True)
        took, cpu = time.perf_counter() - started, time.process_time() - cpu
        assert await gaps() == [], "the gap was not filled"
        async with Pool(url) as pool:
            verdict = await verify(engine, Node(pool), [wanted], lambda verdict: None)
        await bus.disconnect()
        await engine.dispose()
    count = wanted.last - wanted.first + 1
    report = {
        "commit": commit(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "slots": count,
        "megabytes_a_block": round(size / 1e6 / len(slots), 2),
        "events_stored": counters.stored,
        "fetching_only_slots_per_second": round(count / raw, 1),
        "filling_slots_per_second": round(count / took, 1),
        "times_fetching_only": round(took / raw, 2),
        "times_real_time": round(count / took / SLOTS_A_SECOND, 1),
        "cpu_milliseconds_a_slot": round(1e3 * cpu / count, 1),
        "verdict": verdict.text,
    }
    print(json.dumps(report, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", type=int, default=600)
    parser.add_argument("--trades-per-second", type=float, default=100, help="of the chain's own time")
    parser.add_argument("--pad", type=int, default=0, help="transactions a block; 2000 is as mainnet")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    gc.set_threshold(50_000, 20, 50)  # as `curvecast` does
    if options.serve:
        uvloop.run(serve(options))
        return
    arguments = [sys.executable, __file__, *sys.argv[1:], "--serve"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as node:
        assert node.stdout is not None
        try:
            uvloop.run(measure(**json.loads(node.stdout.readline())))
        finally:
            node.kill()


if __name__ == "__main__":
    main()
