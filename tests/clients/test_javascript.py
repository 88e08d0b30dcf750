"""JavaScript clients as their users use them, on a market whose server is restarted under them."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import pytest
from clients.program import Program, install, run
from clients.standing import MINT, Standing, missed, standing_market
from running import Running

from app.domain.programs import Side

CLIENTS = ("graphql-ws", "urql", "apollo", "relay")
SUBSCRIPTIONS = ("trades", "tradeStream")
LIMIT_SECONDS = 60.0
pytestmark = pytest.mark.timeout(180)


class Visits(NamedTuple):
    """What the clients said, what the feed holds, and how many subscriptions the server still had when all had left."""

    of: dict[str, Program]
    trades: Sequence[str]
    buys: Sequence[str]
    left_over: int


@pytest.fixture(scope="module")
async def visits() -> AsyncIterator[Visits]:
    install()
    async with AsyncExitStack() as stack, asyncio.timeout(LIMIT_SECONDS):
        market = await stack.enter_async_context(standing_market())
        api = await market.serve()
        programs = {name: await run(name, api.url, MINT) for name in CLIENTS}
        for program in programs.values():
            stack.push_async_callback(program.kill)
        await asyncio.gather(*(each.until(is_live) for each in programs.values()))
        api = await restarted(market, api)
        await asyncio.gather(*(each.until(is_live_again) for each in programs.values()))
        for program in programs.values():
            assert await program.leave() == 0, program.said[-3:]
        left_over = await subscriptions(api)
        trades, buys = await market.feed(f"mint = '{MINT}'"), await market.feed(f"side = {Side.BUY.value}")
        yield Visits(programs, trades, buys, left_over)


def is_live(program: Program) -> bool:
    """Whether it got something of each subscription on its newest socket, and new trades come on the stream."""
    newest = max((at for at, each in enumerate(program.said) if each["event"] == "connected"), default=0)
    came = [each for each in program.said[newest:] if each["event"] in SUBSCRIPTIONS]
    phases = [each["phase"] for each in came if each["event"] == "tradeStream"]
    return phases[-1:] == ["LIVE"] and len(phases) < len(came)


def is_live_again(program: Program) -> bool:
    """The same, after stored trades were replayed to it."""
    return any(each["phase"] == "BACKFILL" for each in program.all("tradeStream")) and is_live(program)


async def restarted(market: Standing, api: Running) -> Running:
    """Another server on the same port, once the first has ended as an operator ends it; trades go on meanwhile."""
    assert await api.stop() == 0
    return await market.serve(port=api.port)


async def subscriptions(api: Running) -> int:
    """How many the server has, as soon as it has none; else after a while."""
    for _ in range(40):
        data: Any = await api.query("{ status { subscriptions } }")
        if not data["status"]["subscriptions"]:
            return 0
        await asyncio.sleep(0.05)
    return int(data["status"]["subscriptions"])


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_has_its_queries_answered_before_and_after_it_subscribes(visits: Visits, name: str) -> None:
    token = {"id": b64encode(f"Token:{MINT}".encode()).decode(), "mintAddress": MINT}
    answers = [each["data"]["token"] for each in visits.of[name].all("answer")]
    assert len(answers) == 2
    assert [answer | token for answer in answers] == answers
    assert visits.of[name].all("error") == []


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_is_told_of_a_restart_and_comes_again_by_itself(visits: Visits, name: str) -> None:
    told = [(each["code"], each["reason"]) for each in visits.of[name].all("closed")]
    assert (1012, "Service restart") in told
    assert len(visits.of[name].all("connected")) >= 2


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_gets_every_trade_once_and_in_order_across_the_restart(visits: Visits, name: str) -> None:
    assert missed(visits.of[name].ids("trades"), visits.trades) == ""


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_gets_a_filtered_stream_whole_first_replayed_and_then_live(visits: Visits, name: str) -> None:
    program = visits.of[name]
    assert missed(program.ids("tradeStream"), visits.buys) == ""
    phases = [each["phase"] for each in program.all("tradeStream")]
    assert "BACKFILL" in phases
    assert phases[-1] == "LIVE"


@pytest.mark.parametrize("name", CLIENTS)
async def test_nothing_comes_to_a_client_that_has_left(visits: Visits, name: str) -> None:
    events = [each["event"] for each in visits.of[name].said]
    after = events[events.index("left") :]
    assert "answer" in after
    assert not {*SUBSCRIPTIONS} & {*after}


async def test_the_server_keeps_nothing_of_clients_that_have_left(visits: Visits) -> None:
    assert visits.left_over == 0
