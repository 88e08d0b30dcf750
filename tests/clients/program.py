"""A JavaScript client as a process of Node: what it says, and what it is told."""

import asyncio
import json
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parent
_MODULES = FOLDER / "node_modules"
_INSTALLED = _MODULES / ".installed"
_LEAST_NODE = 20
_INSTALL_SECONDS = 90


def install() -> None:
    """Brings the clients into `node_modules` here, once for each lock file; skips, and says why, where it cannot."""
    _check_node()
    lock = sha256((FOLDER / "package-lock.json").read_bytes()).hexdigest()
    if _INSTALLED.is_file() and _INSTALLED.read_text() == lock:
        return
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline", "--fetch-retries=1"]
    try:
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=_INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm ci in {FOLDER.name} did not end in {_INSTALL_SECONDS} s: is a package registry reachable?")
    if done.returncode:
        pytest.skip(f"npm ci in {FOLDER.name} failed: {done.stderr.strip()[-500:]}")
    _INSTALLED.write_text(lock)


def _check_node() -> None:
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip(f"no Node on PATH: install Node {_LEAST_NODE} or newer, and npm, to test JavaScript clients")
    told = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    if int(told.strip().removeprefix("v").split(".")[0]) < _LEAST_NODE:
        pytest.skip(f"Node {told.strip()} is too old for these clients: {_LEAST_NODE} or newer is needed")


class Program:
    """One run of `node NAME.mjs`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.said: list[dict[str, Any]] = []
        self._process = process
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    def all(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.said if each["event"] == event]

    def ids(self, event: str) -> Sequence[str]:
        """What the global ids of a subscription stand for, in the order in which they came."""
        return [b64decode(name).decode() for each in self.all(event) for name in each["ids"]]

    async def until(self, condition: Callable[["Program"], bool]) -> None:
        """Returns when that holds of what was said; fails when the program has ended."""
        while not condition(self):
            assert not self._reading.done(), f"{self.name} ended: {self.said[-3:]}"
            self._news.clear()
            await self._news.wait()

    async def leave(self) -> int:
        """Has it end what it began; its exit code."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")
        await self._process.stdin.drain()
        await self._reading
        return await self._process.wait()

    async def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            # What Node itself has to say is told with the failure.
            self.said.append(json.loads(line) if line.startswith(b"{") else {"event": "node", "text": line.decode()})
            self._news.set()
        self._news.set()


async def run(name: str, url: str, mint: str) -> Program:
    process = await asyncio.create_subprocess_exec(
        *("node", f"{name}.mjs", url, mint),
        cwd=FOLDER,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    return Program(name, process)
