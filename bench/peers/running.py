"""Starts what the benches measure: Curvecast, servers of others, and load generators that are compiled on the fly."""

import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent.parent
_START_SECONDS: Final = 20.0
_WORKERS_SECONDS: Final = 5.0
PEERS: Final[Mapping[str, Sequence[str]]] = {
    "mercurius": ("node", str(HERE / "mercurius.mjs")),
    "graphql-ws": ("node", str(HERE / "graphql-ws.mjs")),
    "apollo": ("node", str(HERE / "apollo.mjs")),
    "strawberry": (sys.executable, str(HERE / "strawberry_stock.py")),
    "raw": (sys.executable, str(HERE / "raw_frames.py")),
}
"""How each peer is started, before port and database."""


class Running(NamedTuple):
    """A server that answers."""

    port: int
    """Peers take their events from the port after it."""
    pids: Sequence[int]
    """Its processes."""


@contextmanager
def peer(name: str, database_url: str | None = None) -> Iterator[Running]:
    """A peer over that database, or over fifty tokens in memory."""
    port = _free_ports()
    with _running([*PEERS[name], str(port), *([database_url] if database_url else [])], port) as running:
        yield running


@contextmanager
def curvecast(settings: Mapping[str, str], workers: int = 1) -> Iterator[Running]:
    """`curvecast serve` with these settings, by the names that they have in the environment."""
    port = _free_ports()
    command = [sys.executable, str(ROOT / "curvecast.py"), "serve", "--port", str(port), "--workers", str(workers)]
    with _running(command, port, settings) as running:
        _wait_until_ready(port)
        if workers > 1:  # nobody can tell whether the others are
            time.sleep(_WORKERS_SECONDS)
        yield Running(port, _tree(running.pids[0]))


@contextmanager
def fed_curvecast(folder: Path, settings: Mapping[str, str]) -> Iterator[Running]:
    """The API in one process with its feed on a bus in memory, over the store that `market.fill` made with `folder`."""
    port = _free_ports()
    with _running([sys.executable, str(HERE / "feeding.py"), str(port), str(folder)], port, settings) as running:
        _wait_until_ready(port)
        yield running


@contextmanager
def redis_feed(folder: Path, redis_url: str) -> Iterator[int]:
    """A process that announces over Redis; the port that it takes events on."""
    port = _free_ports()
    command = [sys.executable, str(HERE / "feeding.py"), str(port), str(folder), redis_url]
    with _running(command, port + 1):
        yield port + 1


@cache
def load_generator(name: str) -> str:
    """Path of the program that `bench/peers/<name>.c` is compiled to."""
    target = Path(tempfile.mkdtemp(prefix="curvecast-bench-")) / name
    subprocess.run(["cc", "-O2", "-o", str(target), str(HERE / f"{name}.c")], check=True)
    return str(target)


def check_node() -> None:
    """Ends the program where the peers of Node are not installed."""
    if not (HERE / "node_modules").is_dir():
        sys.exit("The peers are not installed: run `make bench-peers` once (it needs Node 20 and npm).")


def joined(pids: Sequence[int]) -> str:
    """As load generators take them."""
    return ",".join(map(str, pids))


@contextmanager
def _running(command: Sequence[str], port: int, settings: Mapping[str, str] | None = None) -> Iterator[Running]:
    environment = {**os.environ, "NODE_ENV": "production", "PYTHONPATH": str(ROOT), **(settings or {})}
    with tempfile.TemporaryFile() as told:
        process = subprocess.Popen(command, cwd=HERE, env=environment, stdout=told, stderr=told)
        try:
            if not _answers(port, process):
                told.seek(0)
                sys.exit(f"{' '.join(command)} did not start:\n{told.read().decode()[-2_000:]}")
            yield Running(port, _tree(process.pid))
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.05)
    return False


def _wait_until_ready(port: int) -> None:
    """Curvecast listens before it has started."""
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=_START_SECONDS):
            return
        time.sleep(0.05)
    sys.exit("Curvecast listens and does not become ready.")


def _free_ports() -> int:
    """The first of two free ports, below those that outgoing connections take."""
    while True:
        port = random.randrange(20_000, 30_000)
        if _is_free(port) and _is_free(port + 1):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _tree(pid: int) -> list[int]:
    """The process and all that it started."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            found += _tree(int(child))
    return found
