"""A server that is told to stop: open sockets are told to come again, queries are answered, who comes is refused."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from time import monotonic

import httpx
import pytest
from running import Running, start
from servers import RedisServer, open_folder
from transport.serving import SECONDS, Client, Gate, client, serving, small_app
from uvicorn.server import Server
from websockets.exceptions import InvalidStatus

from app.settings import Settings

SETTINGS = Settings()
RESTART = (1012, "Service restart")
EXIT_SECONDS = 10.0
TRADES = "subscription { tokenCreated { mintAddress } }"


class Stopping:
    """A server with a small schema, and the moment in which it is told to stop."""

    def __init__(self, server: Server, gate: Gate) -> None:
        self.server = server
        self.gate = gate
        self.host = f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        self.server.should_exit = True


@pytest.fixture
async def stopping() -> AsyncIterator[Stopping]:
    gate = Gate()
    async with serving(small_app(SETTINGS, gate), SETTINGS) as server:
        yield Stopping(server, gate)


async def _acknowledged(stack: AsyncExitStack, host: str) -> Client:
    socket = await stack.enter_async_context(client(host))
    await socket.init()
    return socket


async def test_all_sockets_are_told_to_come_again(stopping: Stopping) -> None:
    async with AsyncExitStack() as stack:
        sockets = [await _acknowledged(stack, stopping.host) for _ in range(20)]
        for socket in sockets:
            await socket.subscribe("a", "subscription { held }")
            await socket.receive()
        stopping.stop()
        assert {await socket.closed() for socket in sockets} == {RESTART}
    async with asyncio.timeout(SECONDS):
        await stopping.gate.left.wait()


async def test_a_query_under_way_is_answered_before_its_socket_is_closed(stopping: Stopping) -> None:
    async with AsyncExitStack() as stack:
        asking = await _acknowledged(stack, stopping.host)
        idle = await _acknowledged(stack, stopping.host)
        await asking.subscribe("q", "{ held }")
        await stopping.gate.entered.wait()
        stopping.stop()
        assert await idle.closed() == RESTART
        stopping.gate.opened.set()
        assert await asking.receive() == {"type": "next", "id": "q", "payload": {"data": {"held": "let go"}}}
        assert await asking.receive() == {"type": "complete", "id": "q"}
        assert await asking.closed() == RESTART


async def test_who_comes_while_sockets_are_closed_is_refused_for_now(stopping: Stopping) -> None:
    async with AsyncExitStack() as stack:
        asking = await _acknowledged(stack, stopping.host)
        await asking.subscribe("q", "{ held }")
        await stopping.gate.entered.wait()
        idle = await _acknowledged(stack, stopping.host)
        stopping.stop()
        assert await idle.closed() == RESTART
        with pytest.raises(InvalidStatus) as refused:
            await _acknowledged(stack, stopping.host)
        assert refused.value.response.status_code == 503
        assert refused.value.response.headers["retry-after"] == "2"
        stopping.gate.opened.set()


async def test_no_operation_begins_on_a_socket_that_is_about_to_be_closed(stopping: Stopping) -> None:
    async with AsyncExitStack() as stack:
        asking = await _acknowledged(stack, stopping.host)
        idle = await _acknowledged(stack, stopping.host)
        await asking.subscribe("q", "{ held }")
        await stopping.gate.entered.wait()
        stopping.stop()
        await idle.closed()
        await asking.subscribe("late", "{ hello }")
        await asking.send({"type": "ping"})
        assert await asking.receive() == {"type": "pong"}
        stopping.gate.opened.set()
        assert [(await asking.receive())["id"] for _ in range(2)] == ["q", "q"]
        assert await asking.closed() == RESTART


@pytest.fixture
def home() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


async def _seen_while_stopping(market: Running) -> set[int]:
    """What /health/ready answers from the signal on until nobody answers."""
    seen = set()
    async with httpx.AsyncClient(base_url=f"http://{market.address}") as http:
        await http.get("/health/ready")
        market.process.send_signal(signal.SIGTERM)
        with suppress(httpx.TransportError):
            while True:
                seen.add((await http.get("/health/ready")).status_code)
                await asyncio.sleep(0.002)
    return seen


async def _drained(market: Running, sockets: int) -> None:
    async with AsyncExitStack() as stack:
        clients = [await _acknowledged(stack, market.address) for _ in range(sockets)]
        for each in clients:
            await each.subscribe("a", TRADES)
        await each.subscribe("q", "{ status { state } }")
        while (await each.receive())["type"] != "complete":
            pass
        watching = asyncio.create_task(_seen_while_stopping(market))
        assert {await each.closed() for each in clients} == {RESTART}
        assert 503 in await watching


async def test_a_market_that_is_told_to_stop_says_so_and_closes_every_socket_in_time(home: Path) -> None:
    market = await start("up", "--source", "simulate", folder=home)
    try:
        await market.ready()
        began = monotonic()
        await _drained(market, 250)
        assert await market.process.wait() == 0
        assert monotonic() - began < EXIT_SECONDS
        assert "Traceback" not in market.said
    finally:
        await market.stop()


async def test_so_do_workers_that_share_a_port(home: Path, database_url: str, redis_server: RedisServer) -> None:
    api = await start(*("serve", "--workers", "2"), folder=home, database_url=database_url, redis_url=redis_server.url)
    try:
        await _answers(api)
        began = monotonic()
        await _drained(api, 250)
        assert await api.process.wait() == 0
        assert monotonic() - began < EXIT_SECONDS
        assert "Traceback" not in api.said
    finally:
        await api.stop()


async def _answers(api: Running) -> None:
    """Both workers have no market to serve, but they are there."""
    async with asyncio.timeout(60), httpx.AsyncClient() as http:
        while True:
            with suppress(httpx.TransportError):
                answer = await http.post(api.url, content=json.dumps({"query": "{ status { state } }"}))
                if answer.status_code in (200, 415):
                    return
            await asyncio.sleep(0.05)
