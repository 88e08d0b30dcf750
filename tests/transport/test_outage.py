"""Postgres goes away and comes back: clear errors, open sockets, and nothing missed."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from live.feeding import SECONDS, feed, mint, trades_of
from servers import postgres
from sqlalchemy.ext.asyncio import AsyncEngine
from transport.serving import client, served

from app.application import create_app
from app.bus.feed import Bus
from app.settings import Settings
from app.store.embedded import EmbeddedPostgres
from app.store.engine import create_engine
from app.store.migrate import upgrade

SEED = 13
SETTINGS = Settings(sol_usd="150", database_timeout_seconds=2.0)
TRADES = "subscription($mint: String!) { trades(mintAddress: $mint) { signature } }"


@pytest.fixture
async def own_server() -> AsyncIterator[EmbeddedPostgres]:
    """A Postgres that the test may stop."""
    with postgres() as server:
        await upgrade(server.url)
        yield server


@pytest.fixture
async def own_engine(own_server: EmbeddedPostgres) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(own_server.url, SETTINGS)
    yield engine
    await engine.dispose()


async def _ready(http: httpx.AsyncClient, expected: int) -> None:
    async with asyncio.timeout(SECONDS):
        while (await http.get("/health/ready")).status_code != expected:
            await asyncio.sleep(0.02)


async def test_an_absent_postgres_is_told_and_sockets_stay_until_it_is_back(
    own_server: EmbeddedPostgres, own_engine: AsyncEngine
) -> None:
    bus = Bus("memory://")
    await bus.connect()
    await feed(own_engine, bus.publish, SEED, 60)
    seen = len(await trades_of(own_engine, mint(SEED)))
    app = create_app(SETTINGS, engine=own_engine, bus=bus)
    async with (
        served(app, SETTINGS) as host,
        client(host) as socket,
        httpx.AsyncClient(base_url=f"http://{host}", timeout=SECONDS) as http,
    ):
        await socket.init()
        await socket.subscribe("a", TRADES, mint=mint(SEED))
        await _ready(http, 200)

        await asyncio.to_thread(own_server.stop)
        await _ready(http, 503)
        answer = (await http.post("/graphql", json={"query": "{ tokens(first: 1) { nodes { mintAddress } } }"})).json()
        assert answer["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
        assert "postgres" not in str(answer).lower()
        status = (await http.post("/graphql", json={"query": "{ status { state head { slot } } }"})).json()
        assert status["data"]["status"]["state"] == "DOWN"
        assert status["data"]["status"]["head"]["slot"] != "0"  # what was known last

        await asyncio.to_thread(own_server.start)
        await _ready(http, 200)
        await feed(own_engine, bus.publish, SEED, 120, start=60)
        expected = [trade.signature for trade in await trades_of(own_engine, mint(SEED))][seen:]
        got = [(await socket.receive())["payload"]["data"]["trades"]["signature"] for _ in expected]
        assert got == expected
    await bus.disconnect()
