"""Clients at a market whose server is restarted under them: what they said, and what the feed holds."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

from clients.program import Program, install, run
from clients.standing import MINT, Standing, standing_market
from running import Running

from app.domain.programs import Side

SUBSCRIPTIONS = ("trades", "tradeStream")
LIMIT_SECONDS = 60.0


class Visits(NamedTuple):
    """What the clients said, what the feed holds, and how many subscriptions the server still had when all had left."""

    of: dict[str, Program]
    trades: Sequence[str]
    buys: Sequence[str]
    left_over: int


@asynccontextmanager
async def visited(names: Sequence[str]) -> AsyncIterator[Visits]:
    """By `names`.mjs, all at the same time."""
    install()
    async with AsyncExitStack() as stack, asyncio.timeout(LIMIT_SECONDS):
        market = await stack.enter_async_context(standing_market())
        api = await market.serve()
        programs = {name: await run(name, api.url, MINT) for name in names}
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
