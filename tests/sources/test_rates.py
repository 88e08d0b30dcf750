"""US dollar rates from public APIs: real HTTP servers that answer as the APIs do, and misbehave as they do."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import needs_recordings, raw
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from web_server import serving

from app.domain.programs import USDC, WSOL
from app.errors import StartupError
from indexer.sources.rates import RatesSource
from indexer.sources.rates.bodies import BadAnswer
from indexer.sources.rates.host import KINDS, Host, hosts

Answer = Callable[[], Response]


def jupiter(price: object) -> Answer:
    return lambda: Response(json.dumps({WSOL: {"usdPrice": price}}), media_type="application/json")


def coingecko(price: float, age: int = 0) -> Answer:
    return lambda: Response(json.dumps({"solana": {"usd": price, "last_updated_at": int(time.time()) - age}}))


def dexscreener(price: str) -> Answer:
    pair = {"baseToken": {"address": WSOL}, "priceUsd": price, "liquidity": {"usd": 1_000_000.5}}
    return lambda: Response(json.dumps([{**pair, "priceUsd": "1", "liquidity": {"usd": 3}}, pair]))


def refuses(status: int, **headers: str) -> Answer:
    return lambda: Response("{}", status, headers={name.replace("_", "-"): value for name, value in headers.items()})


class Apis:
    """Three APIs on one real server; each answers what the test says and counts its questions."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.asked: dict[str, list[str]] = {name: [] for name in KINDS}

    async def answer(self, request: Request) -> Response:
        name = request.path_params["name"]
        self.asked[name].append(str(request.url))
        return self.answers[name]()

    @asynccontextmanager
    async def hosts(self, every_seconds: float = 0.0) -> AsyncIterator[list[Host]]:
        app = Starlette(routes=[Route("/{name}", self.answer), Route("/{name}/{rest:path}", self.answer)])
        async with serving(app) as address:
            yield [Host(name, f"{address}/{name}", every_seconds=every_seconds) for name in self.answers]


async def first_rate(hosts: list[Host]) -> Decimal:
    async with asyncio.timeout(20):
        delivery = await anext(RatesSource(hosts, every_seconds=0.02).stream(None))
    return Decimal(next(rate.usd for rate in delivery.rates if rate.quote_mint == WSOL))


async def test_the_rate_is_the_median_of_the_apis_so_that_a_wrong_one_changes_nothing() -> None:
    apis = Apis(jupiter=jupiter(150.25), coingecko=coingecko(150.5), dexscreener=dexscreener("9000"))
    async with apis.hosts() as opened:
        assert await first_rate(opened) == Decimal("150.5")


@pytest.mark.parametrize(
    "broken",
    [
        refuses(500),
        refuses(429, retry_after="60"),
        jupiter(0),
        jupiter(-3),
        jupiter("1e999"),
        lambda: Response(b"\xff["),
    ],
    ids=["500", "429", "zero", "negative", "huge", "no JSON"],
)
async def test_an_api_that_fails_is_left_alone_and_the_others_go_on(broken: Answer) -> None:
    apis = Apis(jupiter=broken, coingecko=coingecko(150.0), dexscreener=dexscreener("151"))
    async with apis.hosts(every_seconds=0.5) as opened:
        assert await first_rate(opened) == Decimal("150.5")
        assert opened[0].trouble
        assert opened[0].waits_seconds > 0


async def test_retry_after_is_obeyed() -> None:
    apis = Apis(jupiter=refuses(429, retry_after="60"))
    async with apis.hosts() as (host,), httpx2.AsyncClient() as client:
        for _ in range(3):
            await host.ask(client)
        assert len(apis.asked["jupiter"]) == 1
        assert 55 < host.waits_seconds <= 60


async def test_an_api_is_asked_no_more_often_than_it_allows() -> None:
    apis = Apis(jupiter=jupiter(150))
    async with apis.hosts(every_seconds=30) as (host,), httpx2.AsyncClient() as client:
        await host.ask(client)
        await host.ask(client)
        assert len(apis.asked["jupiter"]) == 1
        assert host.trouble is None


async def test_an_api_that_is_back_counts_again() -> None:
    apis = Apis(jupiter=refuses(503))
    async with apis.hosts() as (host,), httpx2.AsyncClient() as client:
        await host.ask(client)
        assert host.prices == {}
        apis.answers["jupiter"] = jupiter(150)
        await host.ask(client)
        assert host.prices == {WSOL: Decimal(150)}
        assert host.trouble is None


async def test_an_answer_that_says_it_is_old_is_none() -> None:
    apis = Apis(coingecko=coingecko(99, age=3600), jupiter=jupiter(150))
    async with apis.hosts() as opened:
        assert await first_rate(opened) == Decimal(150)


@needs_recordings()
def test_recorded_bodies_are_read_exactly() -> None:
    prices = KINDS["jupiter"].read(raw("external", "jupiter_price_v3_mixed.json"), 0)
    assert prices == {WSOL: Decimal("118.75666994538565"), USDC: Decimal("0.9998767430654861")}
    curve = raw("external", "dexscreener_token-pairs-v1_bonding_curve.json")
    assert KINDS["dexscreener"].read(curve, 0) == {}, "a pair on its curve has no liquidity and prices nothing"
    with pytest.raises(BadAnswer):
        KINDS["dexscreener"].read(raw("external", "geckoterminal_error_429.json"), 0)


@given(
    st.sampled_from(sorted(KINDS)),
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=True) | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from([WSOL, "solana", "usd", "baseToken", "x"]), inner)
        ),
    ),
)
def test_no_answer_breaks_the_reader_or_makes_a_price_of_nothing(name: str, answer: object) -> None:
    try:
        prices = KINDS[name].read(json.dumps(answer).encode(), 0)
    except BadAnswer:
        return
    assert all(price > 0 for price in prices.values())


def test_a_wrong_setting_is_told() -> None:
    assert hosts("none") == []
    assert [host.name for host in hosts("jupiter=https://a.example/x, dexscreener=http://b.example")] == [
        "jupiter",
        "dexscreener",
    ]
    with pytest.raises(StartupError, match="known are jupiter, coingecko, dexscreener"):
        hosts("kraken=https://k.example")
    with pytest.raises(StartupError, match="no address"):
        hosts("jupiter")
