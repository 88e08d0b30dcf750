"""Server-sent events by graphql-sse's PROTOCOL (distinct connections), over real connections."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fanout.test_trade_stream import STREAM
from live.feeding import feed, mint, trades_of, until
from sqlalchemy.ext.asyncio import AsyncEngine
from transport.serving import SECONDS, Gate, client, served, serving, small_app
from transport.streaming import EVENTS, MULTIPART, Market, events, streamed, streaming_market

from app.settings import Settings
from app.transport.sse import ServerSentEvents

SETTINGS = Settings(max_body_bytes=10_000)
COUNT = "subscription($to: Int! = 2) { count(to: $to) }"
SEED = 17
MINT = mint(SEED)
TRADES = (
    "subscription($mint: String!, $after: String) { trades(mintAddress: $mint, after: $after) { cursor signature } }"
)


@pytest.fixture
async def host() -> AsyncIterator[str]:
    async with served(small_app(SETTINGS), SETTINGS) as host:
        yield host


@pytest.fixture
async def market(engine: AsyncEngine) -> AsyncIterator[Market]:
    async with streaming_market(engine) as market:
        yield market


# -------------------------------------------------------------------- what is sent


async def test_each_payload_is_a_next_event_and_complete_follows_the_last_to_the_byte(host: str) -> None:
    async with streamed(host, COUNT) as stream:
        assert await stream.rest() == (
            b": \n\n"
            b'id: after-1\nevent: next\ndata: {"data":{"count":1},"extensions":{"cursor":"after-1"}}\n\n'
            b'id: after-2\nevent: next\ndata: {"data":{"count":2},"extensions":{"cursor":"after-2"}}\n\n'
            b"event: complete\ndata: \n\n"
        )


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_post_and_get_subscribe_and_nobody_between_may_keep_what_comes(host: str, method: str) -> None:
    async with events(host, COUNT, {"to": 3}, method=method) as source:
        headers = source.stream.response.headers
        assert (headers["cache-control"], headers["x-accel-buffering"], headers["vary"]) == ("no-cache", "no", "accept")
        assert [(await source.response())["data"]["count"] for _ in range(3)] == [1, 2, 3]
        assert [event.kind for event in await source.ends()] == ["complete"]


async def test_a_query_is_one_next_and_complete(host: str) -> None:
    async with events(host, "{ hello wrong }") as source:
        response = await source.response()
        assert response["data"] == {"hello": "hello you", "wrong": None}
        assert response["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}
        assert [event.kind for event in await source.ends()] == ["complete"]


async def test_a_connection_serves_the_next_request_when_its_stream_is_complete(host: str) -> None:
    async with httpx.AsyncClient(base_url=f"http://{host}") as http:
        for _ in range(3):
            answer = await http.post("/graphql", json={"query": COUNT}, headers={"accept": EVENTS})
            assert answer.text.endswith("event: complete\ndata: \n\n")
            assert (await http.post("/graphql", json={"query": "{ hello }"})).json() == {"data": {"hello": "hello you"}}


async def test_comments_keep_a_quiet_stream_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ServerSentEvents, "heartbeat_seconds", 0.25)
    gate = Gate()
    async with served(small_app(SETTINGS, gate), SETTINGS) as host, events(host, "subscription { held }") as source:
        await source.response()
        async with asyncio.timeout(SECONDS):
            for _ in range(3):
                assert await source.stream.until(b"\n\n") == b": "
        gate.opened.set()
        assert [event.kind for event in await source.ends()] == ["complete"]


# -------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ unknown }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { unknown }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { hello } query B { hello }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription($to: Int!) { count(to: $to) }", "BAD_USER_INPUT"),
    ],
)
async def test_what_cannot_run_is_told_in_a_next_event_of_an_accepted_stream(host: str, query: str, code: str) -> None:
    async with events(host, query) as source:
        response = await source.response()
        assert "data" not in response
        assert response["errors"][0]["extensions"]["code"] == code
        assert [event.kind for event in await source.ends()] == ["complete"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_405(host: str, method: str) -> None:
    async with streamed(host, COUNT, method=method) as stream:
        assert (stream.response.status_code, stream.response.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        ('{"query": "{ hello }"}', "text/plain", 415),
        ("{query}", "application/json", 400),
        ('[{"query": "{ hello }"}]', "application/json", 400),
        ("{}", "application/json", 400),
        (b'{"query": "\xff"}', "application/json", 400),
        ('{"query": "{ hello }"}' + " " * 10_000, "application/json", 413),
    ],
)
async def test_what_is_no_request_is_told_by_status_and_json(
    host: str, content: str | bytes, content_type: str, status: int
) -> None:
    headers = {"accept": EVENTS, "content-type": content_type}
    async with httpx.AsyncClient() as http:
        response = await http.post(f"http://{host}/graphql", content=content, headers=headers)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json; charset=utf-8")
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_get_without_a_query_is_400(host: str) -> None:
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"http://{host}/graphql", headers={"accept": EVENTS})).status_code == 400


async def test_http_1_0_has_no_streams(host: str) -> None:
    address, port = host.split(":")
    reader, writer = await asyncio.open_connection(address, int(port))
    body = json.dumps({"query": COUNT}).encode()
    head = f"POST /graphql HTTP/1.0\r\naccept: {EVENTS}\r\ncontent-type: application/json\r\n"
    writer.write(head.encode() + b"content-length: %d\r\n\r\n%b" % (len(body), body))
    async with asyncio.timeout(SECONDS):
        assert (await reader.read()).startswith(b"HTTP/1.1 505 ")
    writer.close()


# -------------------------------------------------------------------- Accept

GRAPHQL, JSON = "application/graphql-response+json", "application/json"
SPEC = "multipart/mixed;subscriptionSpec=1.0"
APOLLO = f"multipart/mixed;boundary=graphql;subscriptionSpec=1.0,{GRAPHQL},{JSON};q=0.9"
URQL = f"{GRAPHQL}, application/graphql+json, {JSON}, {EVENTS}, multipart/mixed"
ACCEPTS = {
    # What is sent: media type of a query's answer, and of a subscription's (None: refused).
    EVENTS: (EVENTS, EVENTS),
    "TEXT/Event-Stream": (EVENTS, EVENTS),
    f"{JSON}, {EVENTS}": (JSON, EVENTS),
    f"{EVENTS}, {JSON}": (EVENTS, EVENTS),
    f"{EVENTS};q=0.5, {JSON}": (JSON, EVENTS),
    f"{JSON};q=0.5, {EVENTS};q=0.6": (EVENTS, EVENTS),
    f"{EVENTS}, {MULTIPART}": (EVENTS, EVENTS),
    f"{MULTIPART}, {EVENTS}": ("multipart/mixed", "multipart/mixed"),
    f"{MULTIPART};q=0.1, {EVENTS};q=0.2": (EVENTS, EVENTS),
    f"{EVENTS};q=0, {JSON}": (JSON, None),
    f"{EVENTS};q=0, */*": (GRAPHQL, None),
    "*/*": (GRAPHQL, None),
    "text/*": (EVENTS, None),
    f"{JSON}, */*": (JSON, None),
    JSON: (JSON, None),
    "multipart/mixed, application/json": (JSON, None),
    "multipart/mixed;subscriptionSpec=2.0, application/json": (JSON, None),
    'multipart/mixed; boundary="graphql"; subscriptionSpec="1.0", application/json': (
        "multipart/mixed",
        "multipart/mixed",
    ),
    APOLLO: ("multipart/mixed", "multipart/mixed"),
    URQL: (GRAPHQL, EVENTS),
}


@pytest.mark.parametrize("accept", ACCEPTS)
async def test_accept_with_its_order_and_q_values_chooses_the_road(host: str, accept: str) -> None:
    query, subscription = ACCEPTS[accept]
    async with streamed(host, "{ hello }", accept=accept) as stream:
        assert stream.response.headers["content-type"].partition(";")[0] == query
        assert b"hello you" in await stream.rest()
    async with streamed(host, COUNT, accept=accept) as stream:
        if subscription is None:
            assert stream.response.status_code == 400
            for road in (b"graphql-transport-ws", b"text/event-stream", b"multipart/mixed;subscriptionSpec=1.0"):
                assert road in await stream.rest()
        else:
            assert stream.response.headers["content-type"].partition(";")[0] == subscription
            assert b'"count":2' in await stream.rest()


async def test_an_accept_that_cannot_be_met_is_406(host: str) -> None:
    for accept in ("text/html", "multipart/mixed", f"{EVENTS};q=0", "image/*"):
        async with streamed(host, COUNT, accept=accept) as stream:
            assert stream.response.status_code == 406


# -------------------------------------------------------------------- how streams end


async def test_a_client_that_goes_ends_its_subscription_at_once() -> None:
    gate = Gate()
    async with served(small_app(SETTINGS, gate), SETTINGS) as host:
        async with events(host, "subscription { held }") as source:
            await source.response()
        async with asyncio.timeout(SECONDS):
            await gate.left.wait()


@pytest.mark.parametrize(
    "anyio_backend", [("asyncio", {"use_uvloop": True}), ("asyncio", {"use_uvloop": False})], ids=["uvloop", "asyncio"]
)
async def test_clients_that_break_off_at_any_moment_leave_nothing_and_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dice = random.Random(SEED)
    async with serving(small_app(SETTINGS), SETTINGS) as server:
        port = server.servers[0].sockets[0].getsockname()[1]

        async def come_and_go() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            body = b'{"query":"subscription { flood }"}'
            writer.write(b"POST /graphql HTTP/1.1\r\nhost: curvecast\r\naccept: text/event-stream\r\n")
            writer.write(b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            for _ in range(dice.randrange(3)):
                await reader.read(5_000)
            writer.transport.abort()

        for _ in range(10):
            await asyncio.gather(*(come_and_go() for _ in range(20)))
        await until(lambda: not server.server_state.connections and not server.server_state.tasks)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_a_consumer_that_fell_behind_is_told_and_has_the_cursor_to_resume_from(host: str) -> None:
    async with events(host, "subscription { lagged }") as source:
        await source.response()
        told = await source.response()
        assert told["errors"][0]["extensions"] == {"code": "LAGGED", "cursor": "after-1"}
        assert [event.kind for event in await source.ends()] == ["complete"]
        assert source.last_id == "after-1"


async def test_a_client_that_does_not_read_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.transport.stream._UNREAD_SECONDS", 0.25)
    gate = Gate()
    async with (
        served(small_app(SETTINGS, gate), SETTINGS) as host,
        streamed(host, "subscription { flood }") as stream,
    ):
        assert stream.response.status_code == 200
        async with asyncio.timeout(SECONDS):
            await gate.left.wait()
        with pytest.raises(httpx.HTTPError):
            await stream.rest()


async def test_a_server_that_stops_says_when_to_come_again_and_that_nothing_is_complete() -> None:
    gate = Gate()
    async with serving(small_app(SETTINGS, gate), SETTINGS) as server:
        host = f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        async with events(host, "subscription { held }") as source:
            await source.response()
            server.should_exit = True
            assert await source.ends() == []
            assert source.retry is not None
            assert 1_000 <= source.retry <= 4_000
    assert gate.left.is_set()


async def test_a_client_that_does_not_read_keeps_no_server_from_stopping(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.transport.stream._LAST_SECONDS", 0.25)
    gate = Gate()
    async with serving(small_app(SETTINGS, gate), SETTINGS, timeout_graceful_shutdown=60) as server:
        host = f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        async with streamed(host, "subscription { flood }") as stream:
            await stream.until(b"event: next")
            server.should_exit = True
            async with asyncio.timeout(SECONDS):
                await gate.left.wait()
                await until(lambda: not server.server_state.connections)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_who_comes_while_the_server_stops_is_told_the_same() -> None:
    gate = Gate()
    async with serving(small_app(SETTINGS, gate), SETTINGS) as server:
        host = f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        async with client(host) as busy, events(host, "subscription { held }") as source:
            await busy.init()
            await busy.subscribe("q", "{ held }")
            await source.response()
            server.should_exit = True
            assert await source.ends() == []
            async with events(host, COUNT) as late:
                assert await late.ends() == []
                assert late.retry is not None
            gate.opened.set()


async def test_streams_and_sockets_have_one_limit_together() -> None:
    settings = Settings(max_sockets=2)
    async with served(small_app(settings), settings) as host, client(host) as socket:
        await socket.init()
        async with events(host, "subscription { held }") as source:
            await source.response()
            async with client(host) as refused:
                assert (await refused.closed())[0] == 1013
            async with streamed(host, "subscription { held }") as stream:
                assert stream.response.status_code == 503
                assert stream.response.headers["retry-after"] == "2"
                assert json.loads(await stream.rest())["errors"][0]["extensions"] == {"code": "SUBSCRIPTION_LIMIT"}
            async with events(host, "{ hello }") as query:
                assert (await query.response())["data"]


# -------------------------------------------------------------------- a market


async def test_equal_subscribers_share_one_group_and_leave_nothing_behind(engine: AsyncEngine, market: Market) -> None:
    async with events(market.host, TRADES, {"mint": MINT}) as one, events(market.host, TRADES, {"mint": MINT}) as two:
        await until(lambda: market.fanout.members == 2)
        assert market.fanout.groups == 1
        await feed(engine, market.hub.bus.publish, SEED, 60)
        expected = [trade.signature for trade in await trades_of(engine, MINT)]
        for source in (one, two):
            got = [(await source.response())["data"]["trades"]["signature"] for _ in expected]
            assert got == expected
    await until(lambda: market.fanout.members == market.fanout.groups == market.streams.open == 0)
    told = list(market.metrics.lines())
    assert 'curvecast_streams_total{outcome="ok"} 2' in told
    assert f'curvecast_stream_payloads_total{{media="text/event-stream"}} {2 * len(expected)}' in told


async def _cut_at_random(market: Market, variables: dict[str, Any], count: int) -> list[Any]:
    """Signatures of so many trades, to a client that goes and comes again with its last id and nothing else."""
    dice, last_id = random.Random(SEED), ""
    found: list[Any] = []
    while len(found) < count:
        headers = {"last_event_id": last_id} if last_id else {}
        async with events(market.host, TRADES, variables, **headers) as source:
            size = min(dice.randint(1, 12), count - len(found))
            found += [(await source.response())["data"]["trades"]["signature"] for _ in range(size)]
            last_id = source.last_id
    return found


async def test_last_event_id_resumes_with_every_trade_once(engine: AsyncEngine, market: Market) -> None:
    await feed(engine, market.hub.bus.publish, SEED, 80)
    before = await trades_of(engine, MINT)
    first = await _first_cursor(market)
    feeding = asyncio.create_task(feed(engine, market.hub.bus.publish, SEED, 240, start=80))
    got = await _cut_at_random(market, {"mint": MINT, "after": first}, len(before) + 20)
    await feeding
    expected = [trade.signature for trade in await trades_of(engine, MINT)][1:]
    assert got == expected[: len(got)]


async def test_a_client_that_goes_before_its_first_event_misses_nothing_either(
    engine: AsyncEngine, market: Market
) -> None:
    await feed(engine, market.hub.bus.publish, SEED, 40)
    before = await trades_of(engine, MINT)
    asked = (market.host, TRADES, {"mint": MINT})
    async with events(*asked) as makes_the_group, events(*asked) as finds_it:
        await makes_the_group.begun()
        await finds_it.begun()
    await feed(engine, market.hub.bus.publish, SEED, 80, start=40)
    expected = [trade.signature for trade in (await trades_of(engine, MINT))[len(before) :]]
    for source in (makes_the_group, finds_it):
        async with events(*asked, last_event_id=source.last_id) as again:
            assert [(await again.response())["data"]["trades"]["signature"] for _ in expected] == expected


async def test_the_last_id_goes_before_a_start_that_may_have_expired_since(engine: AsyncEngine, market: Market) -> None:
    await feed(engine, market.hub.bus.publish, SEED, 60)
    expected = [trade.signature for trade in await trades_of(engine, MINT)]
    first = await _first_cursor(market)
    for variables in ({"start": {"cursor": "expired"}}, {"start": {"last": 3}}, {"start": {"slot": "0"}}, {}):
        asked = variables | {"filter": {"mintAddress": {"eq": MINT}}, "delivery": {"maxBatch": 1}}
        async with events(market.host, STREAM, asked, last_event_id=first) as source:
            got = [(await source.response())["data"]["tradeStream"]["trades"][0]["signature"] for _ in expected[1:]]
            assert got == expected[1:]


async def _first_cursor(market: Market) -> str:
    asked = {"start": {"slot": "0"}, "filter": {"mintAddress": {"eq": MINT}}, "delivery": {"maxBatch": 1}}
    async with events(market.host, STREAM, asked) as source:
        await source.response()
        return source.last_id


async def test_a_chart_resumes_with_the_candles_that_changed_since_and_not_with_its_countback(
    engine: AsyncEngine, market: Market
) -> None:
    query = """subscription($mint: String!, $start: StreamStart) {
      candleStream(mintAddress: $mint, interval: S1, countback: 1, start: $start) { candles { time revision } }
    }"""
    await feed(engine, market.hub.bus.publish, SEED, 60)
    async with events(market.host, query, {"mint": MINT}) as source:
        assert len((await source.response())["data"]["candleStream"]["candles"]) == 1
    await feed(engine, market.hub.bus.publish, SEED, 160, start=60)
    async with events(market.host, query, {"mint": MINT}, last_event_id=source.last_id) as again:
        resumed = await again.response()
    async with events(market.host, query, {"mint": MINT, "start": {"cursor": source.last_id}}) as asked:
        assert await asked.response() == resumed
    assert len(resumed["data"]["candleStream"]["candles"]) > 1


async def test_a_last_id_that_this_store_never_gave_is_refused_like_a_cursor(market: Market) -> None:
    async with events(market.host, TRADES, {"mint": MINT}, last_event_id="made-up") as source:
        assert (await source.response())["errors"][0]["extensions"] == {"code": "CURSOR_INVALID"}
        assert [event.kind for event in await source.ends()] == ["complete"]
        assert source.last_id == ""
