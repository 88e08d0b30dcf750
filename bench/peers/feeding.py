"""Curvecast with the feed that the servers of others have: events as JSON lines over TCP on PORT + 1.

    python bench/peers/feeding.py PORT FOLDER              the API, and the feed on its bus in memory
    python bench/peers/feeding.py PORT FOLDER REDIS_URL    only the feed, onto Redis, for `curvecast serve` elsewhere

FOLDER is that of `market.fill`. The API takes its settings from the environment.
"""

import asyncio
import gc
import sys
from dataclasses import replace
from pathlib import Path

import uvicorn
import uvloop

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from app.application import create_app  # noqa: E402 - after the path
from app.bus.feed import Bus  # noqa: E402
from app.settings import MEMORY, Settings  # noqa: E402
from app.transport.listener import Server, listen  # noqa: E402
from app.transport.server import server_options  # noqa: E402
from bench.peers.market import Announcer  # noqa: E402

_READ_BYTES = 1 << 16


async def feed(port: int, folder: Path, bus: Bus) -> asyncio.Server:
    """Announces what comes on the port after `port`."""

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        announcer, rest = Announcer(folder), b""
        while data := await reader.read(_READ_BYTES):
            *lines, rest = (rest + data).split(b"\n")
            if lines:
                await bus.publish(announcer.batch(lines))
        writer.close()

    return await asyncio.start_server(on_connection, "127.0.0.1", port + 1)


async def serve(port: int, folder: Path, url: str) -> None:
    bus = Bus(url)
    await bus.connect()
    async with await feed(port, folder, bus) as feeding:
        if url != MEMORY:
            await feeding.serve_forever()
        settings = replace(Settings.from_env(), port=port)
        app = create_app(settings, bus=bus)
        config = uvicorn.Config(app, log_level="warning", **server_options(settings))
        await Server(config).serve(sockets=[listen(settings)])


def main() -> None:
    gc.set_threshold(50_000, 20, 50)  # as `curvecast` does
    uvloop.run(serve(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else MEMORY))


if __name__ == "__main__":
    main()
