"""Starts the installed `curvecast` command as a user would, on free ports and a folder of its own, and ends it."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

START_SECONDS = 90.0
STOP_SECONDS = 20.0
LIVE_MILLISECONDS = 5_000
COMMAND = [sys.executable, str(Path(__file__).resolve().parent.parent / "curvecast.py")]


class Running:
    """A process of ours and where it answers."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, log: Path) -> None:
        self.process = process
        self.log = log
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.url = f"http://{self.address}/graphql"

    async def ready(self) -> None:
        """Returns when /health/ready says so; fails when the process ends or the time is up."""
        async with asyncio.timeout(START_SECONDS), httpx.AsyncClient() as client:
            while True:
                assert self.process.returncode is None, self.said
                try:
                    if (await client.get(f"http://{self.address}/health/ready")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)

    @property
    def said(self) -> str:
        """What it wrote to its terminal."""
        return self.log.read_text(encoding="utf-8")

    async def query(self, document: str, variables: Mapping[str, object] | None = None) -> dict[str, object]:
        """The `data` of a query that must not fail."""
        async with httpx.AsyncClient(timeout=30) as client:
            answer = (await client.post(self.url, json={"query": document, "variables": variables})).json()
        assert "errors" not in answer, answer
        data: dict[str, object] = answer["data"]
        return data

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to end and waits; the exit code."""
        if self.process.returncode is None:
            self.process.send_signal(how)
        async with asyncio.timeout(STOP_SECONDS):
            await self.process.wait()
        assert self.process.returncode is not None
        return self.process.returncode


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def start(*arguments: str, folder: Path, port: int | None = None, **settings: str) -> Running:
    """Starts `curvecast ARGUMENTS` with its data under `folder`; `settings` are CURVECAST_ variables in lower case."""
    port = port or free_port()
    given = {f"CURVECAST_{name.upper()}": value for name, value in settings.items()}
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CURVECAST_")}
    log = folder / f"curvecast-{port}.log"
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *arguments,
            stdout=out,
            stderr=out,
            cwd=folder,
            env=clean | {"CURVECAST_PORT": str(port), "CURVECAST_DATA_DIR": str(folder / "data")} | given,
        )
    return Running(process, port, log)


async def is_live(market: Running) -> bool:
    """Whether the history is indexed and trades come as they happen."""
    data: Any = await market.query("{ status { head { ageMs } } }")
    return bool(data["status"]["head"]["ageMs"] < LIVE_MILLISECONDS)


@asynccontextmanager
async def running_market(folder: Path) -> AsyncIterator[Running]:
    """`curvecast up` on a small simulated market, ready and with trades."""
    market = await start("up", "--source", "simulate", "--rate", "40", "--tokens", "30", folder=folder)
    try:
        await market.ready()
        async with asyncio.timeout(START_SECONDS):
            while not await is_live(market):
                await asyncio.sleep(0.05)
        yield market
    finally:
        await market.stop()
