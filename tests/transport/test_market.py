"""The whole API over a store and a bus: what a client of the four subscriptions sees."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from factories import address
from graphql import get_introspection_query
from live.feeding import SECONDS, feed, mint, trades_of, truth
from servers import RedisServer
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.datastructures import Secret
from transport.serving import Client, client, served

from app.application import create_app
from app.bus.feed import Bus
from app.domain.cursors import Cursors
from app.domain.records import Batch
from app.settings import Settings
from app.store.feed import read_head
from app.store.identity import read_store_id

SEED = 11
MINT = mint(SEED)
SETTINGS = Settings(sol_usd="150")
TRADES = (
    "subscription($mint: String!, $after: String) { trades(mintAddress: $mint, after: $after) { cursor signature } }"
)
UPDATES = """subscription($mint: String!, $ms: Int) {
  tokenUpdate(mintAddress: $mint, intervalMs: $ms) { mintAddress currentPrice { quoteExact usd asOf { slot } } }
}"""
LAUNCHES = "subscription($after: String) { newTokens(after: $after) { mintAddress } }"
GRADUATIONS = "subscription($after: String) { graduations(after: $after) { cursor mintAddress pool { address } } }"


@pytest.fixture
async def bus() -> AsyncIterator[Bus]:
    bus = Bus("memory://")
    await bus.connect()
    yield bus
    await bus.disconnect()


@pytest.fixture
async def host(engine: AsyncEngine, bus: Bus) -> AsyncIterator[str]:
    async with served(create_app(SETTINGS, engine=engine, bus=bus), SETTINGS) as host:
        yield host


@asynccontextmanager
async def acknowledged(host: str) -> AsyncIterator[Client]:
    async with client(host) as socket:
        await socket.init()
        yield socket


async def opened(socket: Client) -> None:
    """Returns when what was subscribed before is: a query after it is answered, and its source has been opened."""
    await socket.subscribe("opened", "{ status { subscriptions } }")
    while (await socket.receive())["id"] != "opened":
        pass
    assert (await socket.receive())["type"] == "complete"


async def nothing(batch: Batch) -> None:
    """Nobody is told."""


async def take(socket: Client, count: int) -> list[dict[str, Any]]:
    """The payloads of the next messages, which must be results without errors."""
    payloads = []
    for _ in range(count):
        message = await socket.receive()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        payloads.append(message["payload"])
    return payloads


async def test_trades_come_stored_first_and_then_live(host: str, engine: AsyncEngine, bus: Bus) -> None:
    await feed(engine, bus.publish, SEED, 60)
    first = await trades_of(engine, MINT)
    async with acknowledged(host) as socket:
        await socket.subscribe("all", TRADES, mint=MINT, after=await _cursor(host, first[0].signature))
        stored = await take(socket, len(first) - 1)
        await feed(engine, bus.publish, SEED, 120, start=60)
        every = await trades_of(engine, MINT)
        live = await take(socket, len(every) - len(first))
    signatures = [payload["data"]["trades"]["signature"] for payload in stored + live]
    assert signatures == [trade.signature for trade in every[1:]]


async def test_the_cursor_of_each_payload_resumes_after_it(host: str, engine: AsyncEngine, bus: Bus) -> None:
    await feed(engine, bus.publish, SEED, 100)
    signatures = [trade.signature for trade in await trades_of(engine, MINT)]
    cursor = await _cursor(host, signatures[0])
    for index in range(1, len(signatures)):
        async with acknowledged(host) as socket:
            await socket.subscribe("a", TRADES, mint=MINT, after=cursor)
            payload = (await take(socket, 1))[0]
        assert payload["data"]["trades"]["signature"] == signatures[index]
        assert payload["extensions"]["cursor"] == payload["data"]["trades"]["cursor"]
        cursor = payload["extensions"]["cursor"]


async def test_new_tokens_and_graduations_resume_by_their_cursors(host: str, engine: AsyncEngine, bus: Bus) -> None:
    async with acknowledged(host) as socket:
        await socket.subscribe("launches", LAUNCHES)
        await socket.subscribe("graduations", GRADUATIONS)
        await opened(socket)
        await feed(engine, bus.publish, SEED, 300)
        stored = await truth(engine)
        payloads: dict[str, list[Any]] = {"launches": [], "graduations": []}
        for _ in range(len(stored.launches) + len(stored.graduations)):
            message = await socket.receive()
            assert "errors" not in message["payload"], message
            payloads[message["id"]].append(message["payload"])
    launched = {token.launch_sequence: token.mint for token in stored.tokens}
    assert [p["data"]["newTokens"]["mintAddress"] for p in payloads["launches"]] == [
        launched[sequence] for sequence in stored.launches
    ]
    assert [p["data"]["graduations"]["mintAddress"] for p in payloads["graduations"]] == [
        graduation.mint for graduation in stored.graduations
    ]
    for query, name, field in ((LAUNCHES, "launches", "newTokens"), (GRADUATIONS, "graduations", "graduations")):
        async with acknowledged(host) as socket:
            await socket.subscribe("again", query, after=payloads[name][0]["extensions"]["cursor"])
            again = (await take(socket, 1))[0]
            assert again["data"][field]["mintAddress"] == payloads[name][1]["data"][field]["mintAddress"]


async def test_token_update_sends_the_present_at_once_and_then_changes(
    host: str, engine: AsyncEngine, bus: Bus
) -> None:
    await feed(engine, bus.publish, SEED, 60)
    async with acknowledged(host) as socket:
        await socket.subscribe("now", UPDATES, mint=MINT, ms=0)
        first = (await take(socket, 1))[0]["data"]["tokenUpdate"]
        assert first["mintAddress"] == MINT
        assert first["currentPrice"]["usd"] == pytest.approx(float(first["currentPrice"]["quoteExact"]) * 150)
        await feed(engine, bus.publish, SEED, 120, start=60)
        newest = next(token for token in (await truth(engine)).tokens if token.mint == MINT)
        seen = [first["currentPrice"]["asOf"]["slot"]]
        while seen[-1] != str(newest.price_at.slot):
            seen.append((await take(socket, 1))[0]["data"]["tokenUpdate"]["currentPrice"]["asOf"]["slot"])
        assert [int(slot) for slot in seen] == sorted(int(slot) for slot in seen)


async def test_token_update_keeps_to_its_interval_and_ends_with_the_newest(
    host: str, engine: AsyncEngine, bus: Bus
) -> None:
    async with acknowledged(host) as socket:
        await socket.subscribe("calm", UPDATES, mint=MINT, ms=300)
        await opened(socket)
        await feed(engine, bus.publish, SEED, 200)
        stored = await truth(engine)
        newest = next(token for token in stored.tokens if token.mint == MINT)
        slots = [(await take(socket, 1))[0]["data"]["tokenUpdate"]["currentPrice"]["asOf"]["slot"]]
        while slots[-1] != str(newest.price_at.slot):
            slots.append((await take(socket, 1))[0]["data"]["tokenUpdate"]["currentPrice"]["asOf"]["slot"])
        changes = sum(trade.mint == MINT for trade in stored.trades)
        assert len(slots) < changes / 2


async def test_a_token_that_is_not_indexed_yet_is_waited_for(host: str, engine: AsyncEngine, bus: Bus) -> None:
    async with acknowledged(host) as socket:
        await socket.subscribe("wait", UPDATES, mint=MINT)
        await opened(socket)
        await feed(engine, bus.publish, SEED, 40)
        assert (await take(socket, 1))[0]["data"]["tokenUpdate"]["mintAddress"] == MINT


WRONG = [
    (TRADES, {"mint": "not a mint"}, "BAD_USER_INPUT"),
    (TRADES, {"mint": MINT, "after": "made up"}, "CURSOR_INVALID"),
    (UPDATES, {"mint": "0" * 44}, "BAD_USER_INPUT"),
    (UPDATES, {"mint": MINT, "ms": -1}, "BAD_USER_INPUT"),
    (UPDATES, {"mint": MINT, "ms": 60_001}, "BAD_USER_INPUT"),
    (LAUNCHES, {"after": "made up"}, "CURSOR_INVALID"),
    (TRADES, {}, "BAD_USER_INPUT"),
]


@pytest.mark.parametrize(("query", "variables", "code"), WRONG)
async def test_wrong_arguments_are_refused_when_the_subscription_opens(
    host: str, query: str, variables: dict[str, Any], code: str
) -> None:
    async with acknowledged(host) as socket:
        await socket.subscribe("wrong", query, **variables)
        message = await socket.receive()
        assert message["type"] == "error"
        assert message["payload"][0]["extensions"]["code"] == code


async def test_a_cursor_past_the_end_of_a_restored_store_is_refused(host: str, engine: AsyncEngine, bus: Bus) -> None:
    await feed(engine, bus.publish, SEED, 40)
    cursors, head = Cursors(await read_store_id(engine)), await read_head(engine)
    assert head is not None
    last, past = (cursors.encode(head.sequence + more, 0, 0, b"") for more in (0, 1))
    async with acknowledged(host) as socket:
        await socket.subscribe("last", TRADES, mint=MINT, after=last)
        await opened(socket)
        await socket.subscribe("past", TRADES, mint=MINT, after=past)
        message = await socket.receive()
        assert (message["id"], message["type"]) == ("past", "error")
        assert message["payload"][0]["extensions"]["code"] == "CURSOR_INVALID"
        assert "past the end" in message["payload"][0]["message"]


async def test_a_query_over_the_socket_equals_the_same_over_http(host: str, engine: AsyncEngine, bus: Bus) -> None:
    await feed(engine, bus.publish, SEED, 60)
    query = "query($mint: String!) { token(mintAddress: $mint) { name currentPrice { quoteExact usdExact } } }"
    async with acknowledged(host) as socket, httpx.AsyncClient() as http:
        await socket.subscribe("q", query, mint=MINT)
        over_http = await http.post(f"http://{host}/graphql", json={"query": query, "variables": {"mint": MINT}})
        assert (await take(socket, 1))[0] == over_http.json()


async def test_two_processes_on_one_postgres_and_one_redis_give_the_same_answers(
    engine: AsyncEngine, redis_server: RedisServer
) -> None:
    settings = Settings(sol_usd="150", redis_url=Secret(redis_server.url))
    publisher = Bus(redis_server.url)
    await publisher.connect()
    async with (
        served(create_app(settings, engine=engine), settings) as one,
        served(create_app(settings, engine=engine), settings) as two,
        acknowledged(one) as first,
        acknowledged(two) as second,
    ):
        for socket in (first, second):
            await socket.subscribe("a", TRADES, mint=MINT)
            await opened(socket)
        await feed(engine, publisher.publish, SEED, 80)
        count = len(await trades_of(engine, MINT))
        assert await take(first, count) == await take(second, count)
    await publisher.disconnect()


async def test_status_tells_what_the_data_is_and_what_works(host: str, engine: AsyncEngine, bus: Bus) -> None:
    query = """{ status { state head { slot } replayFrom { slot } lagSlots subscriptions version
      deliveryLatencyMs { p99 } components { name state detail } } }"""
    async with httpx.AsyncClient() as http:
        empty = (await http.post(f"http://{host}/graphql", json={"query": query})).json()["data"]["status"]
        assert (empty["state"], empty["head"]["slot"]) == ("DEGRADED", "0")
        await feed(engine, bus.publish, SEED, 40)
        full = (await http.post(f"http://{host}/graphql", json={"query": query})).json()["data"]["status"]
    parts = {part["name"]: part for part in full["components"]}
    assert full["state"] == "OK"
    assert parts["database"]["state"] == parts["bus"]["state"] == parts["price feed"]["state"] == "OK"
    assert "SIMULATED" in parts["source test"]["detail"]
    assert int(full["head"]["slot"]) >= int(full["replayFrom"]["slot"]) > 0


async def test_probes_answer_for_machines(host: str, engine: AsyncEngine, bus: Bus) -> None:
    async with httpx.AsyncClient(base_url=f"http://{host}") as http:
        assert (await http.get("/health/live")).status_code == 200
        before = await http.get("/health/ready")
        assert (before.status_code, before.json()["head"]) == (503, False)
        await feed(engine, bus.publish, SEED, 40)
        async with asyncio.timeout(SECONDS):
            while (await http.get("/health/ready")).status_code != 200:
                await asyncio.sleep(0.01)
        metrics = (await http.get("/metrics")).text
        assert f"curvecast_sequence {(await truth(engine)).last_sequence}\n" in metrics
        assert (await http.get("/schema.graphql")).text.count("type Subscription") == 1


async def test_the_full_introspection_query_passes_the_limits(host: str) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"http://{host}/graphql", json={"query": get_introspection_query()})
        assert answer.json()["data"]["__schema"]["subscriptionType"]["name"] == "Subscription"


@pytest.mark.parametrize("path", sorted(Path("graphql/operations").glob("Live*.graphql")), ids=lambda path: path.stem)
async def test_each_live_operation_delivers(host: str, engine: AsyncEngine, bus: Bus, path: Path) -> None:
    async with acknowledged(host) as socket:
        await socket.subscribe("op", path.read_text(), mint=MINT, mints=[MINT])
        await opened(socket)
        await feed(engine, bus.publish, SEED, 300)
        payload = (await take(socket, 1))[0]
        assert all(value is not None for value in payload["data"].values())


async def test_the_server_that_ends_closes_sockets_with_service_restart(engine: AsyncEngine, bus: Bus) -> None:
    async with client_after_shutdown(engine, bus) as socket:
        assert (await socket.closed())[0] == 1012


@asynccontextmanager
async def client_after_shutdown(engine: AsyncEngine, bus: Bus) -> AsyncIterator[Client]:
    async with served(create_app(SETTINGS, engine=engine, bus=bus), SETTINGS) as host:
        context = acknowledged(host)
        socket = await context.__aenter__()
        await socket.subscribe("a", TRADES, mint=address("nobody"))
        await opened(socket)
    yield socket


async def _cursor(host: str, signature: str) -> str:
    query = "query($mint: String!) { token(mintAddress: $mint) { trades(first: 200) { nodes { signature cursor } } } }"
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"http://{host}/graphql", json={"query": query, "variables": {"mint": MINT}})
    nodes = answer.json()["data"]["token"]["trades"]["nodes"]
    return str(next(node["cursor"] for node in nodes if node["signature"] == signature))
