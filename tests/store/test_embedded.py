"""The embedded Postgres: starts, ends with its process whatever happens, recovers, says clearly why it cannot start."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from servers import open_folder

from app.errors import StartupError
from app.store import embedded_home
from app.store.embedded import EmbeddedPostgres

LIMIT_SECONDS = 20.0
FAST = {"fsync": "off"}
HOLDER = """
import sys, time
from pathlib import Path
from app.store.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), {"fsync": "off"})
server.start()
print(server.url, flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as opened:
        yield opened


def run(url: str, statement: str) -> object:
    async def go() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(go())


def hold(folder: Path) -> "tuple[subprocess.Popen[str], str]":
    """Another process that runs a server over `folder`, and the server's URL."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    process.stdout.close()
    return process, url


def servers_over(folder: Path) -> list[int]:
    return [
        each.pid
        for each in psutil.process_iter(["cmdline"])
        if any(str(folder) in part for part in each.info["cmdline"] or ()) and each.pid != os.getpid()
    ]


def wait_until_no_server(folder: Path) -> None:
    limit = time.monotonic() + LIMIT_SECONDS
    while servers_over(folder):
        assert time.monotonic() < limit, "a server outlived its process"
        time.sleep(0.01)


def test_what_was_stored_is_there_after_a_stop_and_a_start(folder: Path) -> None:
    for statement in ("CREATE TABLE kept AS SELECT 42 AS answer", "SELECT answer FROM kept"):
        server = EmbeddedPostgres(folder, FAST)
        server.start()
        answer = run(server.url, statement)
        server.stop()
        assert not servers_over(folder)
    assert answer == 42


def test_a_killed_process_leaves_no_server_and_the_next_start_recovers_every_commit(folder: Path) -> None:
    process, url = hold(folder)
    run(url, "CREATE TABLE kept AS SELECT 42 AS answer")
    process.kill()
    process.wait()
    server = EmbeddedPostgres(folder, FAST)
    server.start()  # at once, while the former server may still be ending
    try:
        assert run(server.url, "SELECT answer FROM kept") == 42
    finally:
        server.stop()
    wait_until_no_server(folder)


def test_a_killed_process_leaves_no_server_when_nobody_starts_again(folder: Path) -> None:
    process, _ = hold(folder)
    assert servers_over(folder)
    process.kill()
    process.wait()
    wait_until_no_server(folder)


def test_a_folder_in_use_is_refused_in_one_line_that_says_what_to_do(folder: Path) -> None:
    server = EmbeddedPostgres(folder, FAST)
    server.start()
    try:
        with pytest.raises(StartupError, match="in use by another Curvecast") as refused:
            EmbeddedPostgres(folder, FAST).start()
        assert "\n" not in str(refused.value)
        assert run(server.url, "SELECT 1") == 1, "the first one goes on"
    finally:
        server.stop()


def test_a_stale_pid_file_of_a_living_process_does_not_stop_a_start(folder: Path) -> None:
    server = EmbeddedPostgres(folder, FAST)
    server.start()
    server.stop()
    (folder / "postgres").resolve().joinpath("data", "postmaster.pid").write_text(f"{os.getppid()}\n/somewhere\n")
    server = EmbeddedPostgres(folder, FAST)
    server.start()
    try:
        assert run(server.url, "SELECT 1") == 1
    finally:
        server.stop()


async def test_a_server_that_is_killed_is_started_again(folder: Path) -> None:
    server = EmbeddedPostgres(folder, FAST)
    await asyncio.to_thread(server.start)
    keeper = asyncio.create_task(server.keep_running())
    try:
        pid = int((folder / "postgres").resolve().joinpath("data", "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
        async with asyncio.timeout(LIMIT_SECONDS):
            while not await _answers(server.url):
                await asyncio.sleep(0.02)
    finally:
        keeper.cancel()
        await asyncio.to_thread(server.stop)


async def _answers(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=2)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    await connection.close()
    return True


def test_a_folder_with_a_long_name_works(folder: Path) -> None:
    server = EmbeddedPostgres(folder / ("long" * 30), FAST)
    server.start()
    try:
        assert run(server.url, "SELECT 1") == 1
    finally:
        server.stop()


def test_a_folder_of_an_unknown_version_is_refused(folder: Path) -> None:
    server = EmbeddedPostgres(folder, FAST)
    server.start()
    server.stop()
    (folder / "postgres").resolve().joinpath("data", "PG_VERSION").write_text("9\n")
    with pytest.raises(StartupError, match="PostgreSQL 9, which is not installed"):
        EmbeddedPostgres(folder, FAST).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run the server as another user")
def test_root_with_a_folder_that_others_cannot_enter_keeps_the_data_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = folder / "shared"
    monkeypatch.setattr(embedded_home.data_folder, "__defaults__", (shared,))
    private = folder / "private"
    private.mkdir(mode=0o700)
    server = EmbeddedPostgres(private, FAST)
    server.start()
    try:
        assert run(server.url, "SELECT 1") == 1
        assert (private / "postgres").resolve().parent == shared
    finally:
        server.stop()
