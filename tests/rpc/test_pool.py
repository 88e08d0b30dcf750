"""Several nodes as one: who is asked, who takes over, who is left alone; on real sockets."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from rpc.tiny import Rule, TinyNode, running
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.datastructures import Secret
from starlette.responses import JSONResponse, Response

from app.domain.programs import Commitment
from app.errors import SourceLost, StartupError
from app.settings import Settings
from indexer.beside import open_beside
from indexer.rpc.endpoint import Endpoint, retry_after
from indexer.rpc.health import Health
from indexer.rpc.node import Node
from indexer.rpc.pool import Pool
from indexer.sources import Delivery
from indexer.sources.rpc import RpcSource
from indexer.sources.selection import SourceOptions, open_sources

LOOK = 0.05
SECONDS = 5.0


def pool_of(*nodes: TinyNode, patience: float = 1.0) -> Pool:
    return Pool(",".join(node.url for node in nodes), look_seconds=LOOK, patience_seconds=patience)


def always(response: Callable[[], Response], methods: tuple[str, ...] = ()) -> Rule:
    """Answers every request, or those of some methods, in this way."""
    return lambda method, params: response() if not methods or method in methods else None


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


def states(pool: Pool) -> list[str]:
    return [state for _, state, _ in pool.components()]


def details(pool: Pool) -> str:
    return " / ".join(detail for _, _, detail in pool.components())


async def test_the_next_node_takes_over_within_one_request() -> None:
    first, second = TinyNode(), TinyNode()
    async with running(first, second), pool_of(first, second) as pool:
        best = next(node for node in (first, second) if str(node.port) in pool.usable()[0].name)
        best.rule = always(lambda: Response(status_code=500))
        assert await Node(pool).slot(Commitment.CONFIRMED) == first.tip
        assert sorted(states(pool)) == ["DOWN", "OK"]
        assert "HTTP 500" in details(pool)


@pytest.mark.parametrize(
    ("response", "said"),
    [
        (lambda: Response(status_code=503), "HTTP 503"),
        (lambda: Response(status_code=401), "refuses the key"),
        (lambda: Response(status_code=403), "refuses the key"),
        (lambda: Response("<html>busy</html>"), "not what was asked for"),
        (lambda: JSONResponse({"jsonrpc": "2.0", "id": 0}), "without result"),
        (lambda: JSONResponse({"jsonrpc": "2.0", "id": 0, "error": {"code": -32005}}), "SERVER_ERROR_NODE_UNHEALTHY"),
    ],
)
async def test_a_node_that_does_not_serve_is_passed_over_and_the_reason_told(
    response: Callable[[], Response], said: str
) -> None:
    bad, good = TinyNode(), TinyNode()
    bad.rule = always(response, ("getSlot", "getBlocks"))
    async with running(bad, good), pool_of(bad, good) as pool:
        assert await Node(pool).slots(0, 2_000, Commitment.CONFIRMED) == [997, 998, 999, 1_000]
        assert said in details(pool)


async def test_when_no_node_serves_one_line_says_why_without_the_key() -> None:
    refusing, gone = TinyNode(), TinyNode()
    refusing.rule = always(lambda: Response(status_code=401))
    gone.listener.close()
    async with running(refusing), pool_of(refusing, gone) as pool:
        with pytest.raises(SourceLost) as lost:
            await Node(pool).slot(Commitment.CONFIRMED)
    text = str(lost.value)
    assert "refuses the key" in text
    assert f"127.0.0.1:{gone.port}: cannot be reached" in text
    assert "secret" not in text + details(pool)
    assert "\n" not in text


async def test_a_node_that_says_when_to_come_back_is_not_asked_before() -> None:
    node = TinyNode()
    async with running(node), pool_of(node, patience=SECONDS) as pool:
        node.rule = always(lambda: Response(status_code=429, headers={"retry-after": "0.4"}))
        await until(lambda: "too many requests" in details(pool))
        node.rule = lambda method, params: None
        asked = sum(node.requests.values())
        began = asyncio.get_running_loop().time()
        assert await Node(pool).slot(Commitment.CONFIRMED) == node.tip
        assert asyncio.get_running_loop().time() - began > 0.2
        assert sum(node.requests.values()) <= asked + 3


def test_retry_after_is_understood_in_both_forms_and_bounded() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after("2") == 2.0
    assert 25 < (retry_after(later) or 0) <= 30
    assert retry_after("86400") == 300.0
    assert retry_after("soon") is None
    assert retry_after(None) is None


async def test_a_node_that_lags_is_put_aside_and_taken_back_when_it_has_caught_up() -> None:
    ahead, behind = TinyNode(), TinyNode()
    ahead.tip += 60
    async with running(ahead, behind), pool_of(ahead, behind) as pool:
        assert states(pool) == ["OK", "DEGRADED"]
        assert "60 slots behind" in details(pool)
        assert len(pool.usable()) == 1
        behind.tip += 55
        await until(lambda: states(pool) == ["OK", "OK"])


@pytest.mark.parametrize("size", [100, 3_000_000])
async def test_answers_are_unpacked_and_a_node_that_packs_them_wrongly_is_followed_by_the_next(size: int) -> None:
    good, bad = TinyNode(), TinyNode()
    slots = [*range(2_000_000, 2_000_000 + size // 8)]
    answer = gzip.compress(json.dumps({"jsonrpc": "2.0", "id": 0, "result": slots}).encode())
    good.rule = always(lambda: Response(answer, headers={"content-encoding": "gzip"}), ("getBlocks",))
    bad.rule = always(lambda: Response(answer[:-9], headers={"content-encoding": "gzip"}), ("getBlocks",))
    bad.tip += 20  # asked first
    async with running(good, bad), pool_of(good, bad) as pool:
        assert await Node(pool).slots(slots[0], slots[-1], Commitment.CONFIRMED) == slots
        assert "cannot be unpacked" in details(pool)


async def test_the_node_nearer_to_the_tip_is_asked_first() -> None:
    behind, ahead = TinyNode(), TinyNode()
    ahead.tip += 20
    async with running(ahead, behind), pool_of(behind, ahead) as pool:
        assert str(ahead.port) in pool.usable()[0].name


async def test_a_node_of_another_chain_is_put_aside_and_looked_at_again() -> None:
    ours, other = TinyNode(), TinyNode()
    other.genesis = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"
    async with running(ours, other), pool_of(ours, other) as pool:
        assert states(pool) == ["OK", "DOWN"]
        assert "another chain" in details(pool)
        other.genesis = ours.genesis
        await until(lambda: states(pool) == ["OK", "OK"])


async def test_a_pool_that_several_entered_serves_until_the_last_one_leaves() -> None:
    node = TinyNode()
    async with running(node):
        pool = pool_of(node)
        async with pool:
            async with pool:
                assert states(pool) == ["OK"]
            assert await Node(pool).slot(Commitment.CONFIRMED) == node.tip
        asked = node.requests["getGenesisHash"]
        async with pool:
            assert node.requests["getGenesisHash"] == asked + 1, "another node may answer there by now"


async def first(deliveries: AsyncIterator[Delivery]) -> Delivery:
    return await anext(deliveries)


async def test_what_fills_gaps_asks_no_node_before_it_is_known_which_chain_is_followed(engine: AsyncEngine) -> None:
    other, ours = TinyNode(), TinyNode()
    other.genesis = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"
    asked: set[int] = set()
    for node in (other, ours):
        node.rule = lambda method, params, node=node: asked.add(node.port) if "finalized" in str(params) else None  # type: ignore[misc]
    settings = Settings(rpc_urls=Secret(f"{other.url},{ours.url}"), price_apis="none", ipfs_gateways="none")
    (market,) = open_sources("rpc", SourceOptions(), settings)
    assert isinstance(market, RpcSource)
    async with running(other, ours), open_beside(settings, engine, [market]) as (beside, _), market.pool as pool:
        filling = asyncio.create_task(first(beside[0].stream(None)))
        await until(lambda: other.requests["getSlot"] + ours.requests["getSlot"] >= 4)
        for _ in range(5):
            await Node(pool).slot(Commitment.CONFIRMED)
        assert not asked
        pool.follow(ours.genesis)
        await until(lambda: bool(asked))
        assert asked == {ours.port}
        filling.cancel()
        await asyncio.gather(filling, return_exceptions=True)


async def test_a_node_that_comes_back_is_tried_by_one_request_and_used_again() -> None:
    node = TinyNode()
    async with running(node), pool_of(node, patience=SECONDS) as pool:
        node.rule = always(lambda: Response(status_code=500))
        await until(lambda: states(pool) == ["DOWN"])
        node.rule = lambda method, params: None
        asked = [Node(pool).slot(Commitment.CONFIRMED) for _ in range(8)]
        assert await asyncio.gather(*asked) == [node.tip] * 8
        assert states(pool) == ["OK"]


def test_a_breaker_opens_longer_with_each_failure_and_lets_one_request_try() -> None:
    now = [100.0]
    health = Health(lambda: now[0])
    rests = []
    for _ in range(12):
        started = health.started()
        now[0] += 0.01
        health.failed(started, "HTTP 500")
        health.failed(started, "HTTP 500")  # of the same moment: counts once
        assert not health.may_be_asked
        rests.append(health.rests_until - now[0])
        now[0] = health.rests_until
        assert health.may_be_asked
    assert all(0.25 <= rest <= 30 for rest in rests)
    assert max(rests[6:]) > 1
    trial = health.started()
    assert not health.may_be_asked
    health.succeeded(trial)
    assert health.may_be_asked
    assert health.why is None


def test_a_slow_or_failing_node_scores_worse_than_a_quick_one() -> None:
    now = [0.0]

    def measured(seconds: float, failures: int) -> float:
        health = Health(lambda: now[0])
        for _ in range(failures):
            now[0] += 1
            health.failed(health.started(), "HTTP 500")
            now[0] += 1
        started = health.started()
        now[0] += seconds
        health.succeeded(started, is_measured=True)
        return health.score(0)

    assert measured(0.02, 0) < measured(0.02, 1) < measured(0.02, 3)
    assert measured(0.02, 0) < measured(0.2, 0)


@pytest.mark.parametrize(
    "urls", ["", " , ", "ftp://host", "http://", "host:8899", "http://h:8899|http://h", "http://h:x/?key=k"]
)
def test_an_address_that_is_none_is_refused_without_repeating_it(urls: str) -> None:
    with pytest.raises(StartupError, match="CURVECAST_RPC_URLS") as refused:
        Pool(urls)
    assert "key=k" not in str(refused.value)


def test_the_websocket_of_a_node_is_found_from_its_address() -> None:
    assert Endpoint("http://127.0.0.1:8899").socket_address == "ws://127.0.0.1:8900"
    assert Endpoint("https://rpc.example/?api-key=k").socket_address == "wss://rpc.example/?api-key=k"
    assert Endpoint("http://a:1|ws://b:2/x").socket_address == "ws://b:2/x"
    assert Endpoint("https://user:pass@rpc.example:443/?api-key=k").name == "rpc.example:443"
