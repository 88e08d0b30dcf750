"""Clients that leave and come back at random with their last cursor, whatever happens to the servers meanwhile."""

import asyncio
import time
from base64 import b64decode
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import asyncpg
import httpx
from chaos.visits import Ended, Got, Request, over_events, over_websocket
from running import Running
from websockets.exceptions import WebSocketException

_TRADES: Final = """subscription($mint: String!, $after: String, $commitment: Commitment) {
  trades(mintAddress: $mint, after: $after, commitment: $commitment) { id }
}"""
_STREAM: Final = """subscription(
  $filter: TradeFilter, $start: StreamStart, $delivery: StreamDelivery, $commitment: Commitment
) {
  tradeStream(filter: $filter, start: $start, delivery: $delivery, commitment: $commitment) {
    cursor trades { id } rolledBack gap { dropped merged }
  }
}"""
_NEWEST: Final = "query($mint: String!) { token(mintAddress: $mint) { trades(first: 1) { nodes { cursor id } } } }"
_COMMITMENTS: Final = ("PROCESSED", "CONFIRMED", "FINALIZED")
_ROADS: Final = (over_websocket, over_events)
_AGAIN_SECONDS: Final = 0.1
_RETRYABLE: Final = {"LAGGED", "SERVICE_UNAVAILABLE"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client subscribes to, and which of the stored trades that is."""

    name: str
    query: str
    variables: Mapping[str, object]
    condition: str
    """On `trades` and `tokens`, in SQL."""
    resume: Callable[[str], Mapping[str, object]]
    """The variable that says where to go on."""
    begins_after: str | None = None
    """The trade whose cursor the variables begin with; None where they begin with the first one that is stored."""


@dataclass
class Wanderer:
    """One client. It stays and is away for some seconds; with `stay` 0 it leaves only when the server ends what it
    has."""

    wish: Wish
    road: Callable[[str, Request, str | None], AsyncGenerator[Got, None]]
    dice: Random
    stay: float = 3.0
    away: float = 1.0
    ids: list[str] = field(default_factory=list)
    """What the global ids of the trades stand for, in the order in which they came."""
    visits: int = 0
    refusals: list[str] = field(default_factory=list)
    """What no client should have to read."""
    _cursor: str | None = None

    async def run(self, host: str) -> None:
        """Until cancelled."""
        while True:
            self.visits += 1
            with suppress(OSError, WebSocketException, httpx.TransportError, TimeoutError):
                async with asyncio.timeout(self.dice.expovariate(1 / self.stay) if self.stay else None):
                    await self._visit(host)
            await asyncio.sleep(self.dice.expovariate(1 / self.away) if self.stay else _AGAIN_SECONDS)

    async def _visit(self, host: str) -> None:
        is_event_stream = self.road is over_events
        told = {} if self._cursor is None or is_event_stream else self.wish.resume(self._cursor)
        request = Request(self.wish.query, {**self.wish.variables, **told})
        try:
            async with aclosing(self.road(host, request, self._cursor)) as answers:
                async for got in answers:
                    self._take(got)
        except Ended as error:
            codes = {each.get("extensions", {}).get("code") for each in error.errors}
            if not codes & _RETRYABLE:
                self.refusals.append(str(error))

    def _take(self, got: Got) -> None:
        """Cursor and records in one step: nothing that was counted comes again."""
        [value] = got.data.values()
        self._cursor = got.cursor or value["cursor"]
        for trade in value.get("trades", [value]):
            self.ids.append(b64decode(trade["id"]).decode())
        if value.get("gap") or value.get("rolledBack"):
            self.refusals.append(f"told of {value['gap']}, {value['rolledBack']}")


class Wandering:
    """All of them, and one that stays and is told everything: how soon it is there again is the recovery."""

    def __init__(self, url: str, wishes: Sequence[Wish], count: int, dice: Random) -> None:
        self._url = url
        self._steady = Wanderer(_stream("everything", {}, "true", "CONFIRMED", None), over_websocket, dice, stay=0)
        self.everyone = [self._steady]
        for number in range(count):
            wish = wishes[number % len(wishes)]
            road = _ROADS[number // len(wishes) % len(_ROADS)]
            self.everyone.append(Wanderer(wish, road, Random(dice.random())))

    async def recovered(self, seconds: float) -> float:
        """Seconds until the one that stays has all that was stored when this was called, `seconds` at most: what it
        then lacks is found when all are judged."""
        began = time.monotonic()
        stored = len(await self._feed("true"))
        while len(self._steady.ids) < stored and time.monotonic() < began + seconds:
            await asyncio.sleep(0.01)
        return time.monotonic() - began

    async def misdelivered(self, url: str, seconds: float) -> list[str]:
        """What somebody did not get, got twice or in another order than the feed's, once `seconds` are over or nothing
        is. They wander on meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await self._differences():
                    await asyncio.sleep(0.2)
        return await self._differences()

    async def _differences(self) -> list[str]:
        feeds = {each: await self._feed(each) for each in {wanderer.wish.condition for wanderer in self.everyone}}
        return [wrong for each in self.everyone for wrong in judged(each, feeds[each.wish.condition])]

    async def _feed(self, condition: str) -> list[str]:
        connection = await asyncpg.connect(self._url)
        try:
            rows = await connection.fetch(
                "SELECT 'Trade:' || extract(epoch FROM block_time)::bigint || ':' || encode(identity, 'hex')"
                f" FROM trades JOIN tokens t ON t.id = token_id WHERE {condition} ORDER BY sequence"
            )
        finally:
            await connection.close()
        return [row[0] for row in rows]


def judged(wanderer: Wanderer, feed: Sequence[str]) -> list[str]:
    """What is wrong with what a client got, in words."""
    name, got = f"{wanderer.wish.name} {wanderer.road.__name__}", wanderer.ids
    wrong = [f"{name}: {each}" for each in wanderer.refusals]
    before = wanderer.wish.begins_after
    expected = feed if before is None else feed[feed.index(before) + 1 :]
    doubled, lost, other = len(got) - len({*got}), len({*expected} - {*got}), len({*got} - {*expected})
    if got != expected:
        apart = next((at for at, pair in enumerate(zip(got, expected, strict=False)) if pair[0] != pair[1]), len(got))
        wrong.append(f"{name}: {lost} lost, {doubled} doubled, {other} of nothing; apart at {apart} of {len(expected)}")
    return wrong


async def _trades(api: Running, mint: str, commitment: str) -> Wish:
    """From the newest one on that there is."""
    data: Any = await api.query(_NEWEST, {"mint": mint})
    [newest] = data["token"]["trades"]["nodes"]
    variables = {"mint": mint, "commitment": commitment, "after": newest["cursor"]}
    return Wish(
        f"trades of {mint} {commitment}",
        *(_TRADES, variables, f"mint = '{mint}'", lambda cursor: {"after": cursor}),
        begins_after=b64decode(newest["id"]).decode(),
    )


def _stream(
    name: str, filter: Mapping[str, object], condition: str, commitment: str, delivery: Mapping[str, object] | None
) -> Wish:
    """From the first record that there is."""
    variables = {"filter": filter, "commitment": commitment, "delivery": delivery, "start": {"slot": "0"}}
    return Wish(
        f"tradeStream {name} {commitment}", _STREAM, variables, condition, lambda cursor: {"start": {"cursor": cursor}}
    )


async def _wishes(api: Running, mints: Sequence[str]) -> list[Wish]:
    """Plain subscriptions and filtered streams, at every commitment."""
    found = []
    one_of = {"or": [{"mintAddress": {"eq": mints[0]}}, {"mintAddress": {"in": list(mints[1:])}}]}
    listed = ", ".join(f"'{mint}'" for mint in mints)
    packed: dict[str, Any] = {"intervalMs": 200, "maxBatch": 1_000}
    for commitment, mint in zip(_COMMITMENTS, mints, strict=False):
        found += [
            await _trades(api, mint, commitment),
            _stream("of buys", {"side": "BUY"}, "side = 1", commitment, None),
            _stream("of some", one_of, f"mint IN ({listed})", commitment, packed),
            _stream("of all others", {"not": one_of}, f"mint NOT IN ({listed})", commitment, {"heartbeatMs": 200}),
        ]
    return found


@asynccontextmanager
async def wandering(api: Running, url: str, count: int, dice: Random) -> AsyncIterator[Wandering]:
    """`count` clients that wander: plain subscriptions of the three mints that are traded most by now, and streams."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT mint FROM tokens ORDER BY trade_count DESC LIMIT 3")
    await connection.close()
    audience = Wandering(url, await _wishes(api, [row[0] for row in rows]), count, dice)
    running = [asyncio.create_task(each.run(api.address)) for each in audience.everyone]
    try:
        yield audience
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
