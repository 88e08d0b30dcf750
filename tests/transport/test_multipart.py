"""Apollo's multipart protocol for subscriptions, read as Apollo's clients read it, over real connections."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from live.feeding import feed, mint, trades_of, until
from sqlalchemy.ext.asyncio import AsyncEngine
from transport.serving import SECONDS, Gate, served, serving, small_app
from transport.streaming import MULTIPART, events, parts, streamed, streaming_market

from app.settings import Settings
from app.transport.multipart import Multipart

SETTINGS = Settings()
COUNT = "subscription { count(to: 2) }"
SEED = 19
MINT = mint(SEED)
TRADES = "subscription($mint: String!) { trades(mintAddress: $mint) { signature } }"


@pytest.fixture
async def host() -> AsyncIterator[str]:
    async with served(small_app(SETTINGS), SETTINGS) as host:
        yield host


async def test_each_payload_is_a_part_and_the_last_boundary_ends_it_to_the_byte(host: str) -> None:
    head = b"\r\n--graphql\r\ncontent-type: application/json\r\n\r\n"
    async with streamed(host, COUNT, accept=MULTIPART) as stream:
        assert await stream.rest() == (
            head
            + (b"{}" + head)
            + (b'{"payload":{"data":{"count":1},"extensions":{"cursor":"after-1"}}}' + head)
            + (b'{"payload":{"data":{"count":2},"extensions":{"cursor":"after-2"}}}' + b"\r\n--graphql--\r\n")
        )


async def test_nobody_between_may_keep_what_comes(host: str) -> None:
    async with parts(host, COUNT) as source:
        headers = source.stream.response.headers
        assert (headers["cache-control"], headers["x-accel-buffering"], headers["vary"]) == ("no-cache", "no", "accept")


async def test_a_query_is_one_part(host: str) -> None:
    async with parts(host, "{ hello }") as source:
        assert await source.next() == {"payload": {"data": {"hello": "hello you"}}}
        assert await source.next() is None


async def test_heartbeats_keep_a_quiet_stream_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Multipart, "heartbeat_seconds", 0.25)
    gate = Gate()
    async with served(small_app(SETTINGS, gate), SETTINGS) as host, parts(host, "subscription { held }") as source:
        assert await source.next() == {"payload": {"data": {"held": 1}}}
        waiting = asyncio.create_task(source.next())
        await until(lambda: source.heartbeats > 3)
        gate.opened.set()
        assert await waiting is None


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("subscription { unknown }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription($to: Int!) { count(to: $to) }", "BAD_USER_INPUT"),
    ],
)
async def test_what_cannot_run_is_an_error_of_graphql_and_not_of_the_stream(host: str, query: str, code: str) -> None:
    async with parts(host, query) as source:
        told = await source.next()
        assert told is not None
        assert list(told) == ["payload"]
        assert told["payload"]["errors"][0]["extensions"]["code"] == code
        assert await source.next() is None


async def test_what_ends_the_stream_before_its_time_is_an_error_of_the_stream(host: str) -> None:
    async with parts(host, "subscription { lagged }") as source:
        await source.next()
        told = await source.next()
        assert told is not None
        assert told["payload"] is None
        assert told["errors"][0]["extensions"] == {"code": "LAGGED", "cursor": "after-1"}
        assert await source.next() is None


async def test_a_server_that_stops_tells_that_trying_again_is_right() -> None:
    gate = Gate()
    async with serving(small_app(SETTINGS, gate), SETTINGS) as server:
        host = f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        async with parts(host, "subscription { held }") as source:
            await source.next()
            server.should_exit = True
            told = await source.next()
            assert told is not None
            assert told["payload"] is None
            assert told["errors"][0]["extensions"] == {"code": "SERVICE_UNAVAILABLE"}
            assert await source.next() is None
    async with asyncio.timeout(SECONDS):
        await gate.left.wait()


async def test_members_of_both_roads_share_one_group_and_leave_nothing_behind(engine: AsyncEngine) -> None:
    async with streaming_market(engine) as market:
        asked = (market.host, TRADES, {"mint": MINT})
        async with parts(*asked) as one, parts(*asked) as two, events(*asked) as three:
            await until(lambda: market.fanout.members == 3)
            assert market.fanout.groups == 1
            await feed(engine, market.hub.bus.publish, SEED, 60)
            for trade in await trades_of(engine, MINT):
                expected = await three.response()
                assert expected["data"]["trades"]["signature"] == trade.signature
                for source in (one, two):
                    assert await source.next() == {"payload": expected}
        await until(lambda: market.fanout.members == market.fanout.groups == market.streams.open == 0)
