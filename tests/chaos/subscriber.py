"""A client that stays: it comes back with its last cursor whenever the socket ends, and keeps what it got."""

import asyncio
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
from transport.serving import client
from websockets.exceptions import WebSocketException

_TRADES = """subscription($mint: String!, $after: String) {
  trades(mintAddress: $mint, after: $after) { cursor id }
}"""
_LAUNCHES = "subscription($after: String) { newTokens(after: $after) { id } }"
_RETRY_SECONDS = 0.1


class Subscriber:
    """One subscription over as many sockets as it takes."""

    def __init__(self, host: str, query: str, field: str, variables: Mapping[str, object]) -> None:
        self.ids: list[str] = []
        """What the global ids stand for, `Trade:…`, in the order in which they came."""
        self.refusals: list[str] = []
        """Errors of the operation that no client should retry."""
        self.sockets = 0
        self._host, self._query, self._field, self._variables = host, query, field, dict(variables)
        self._cursor: str | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with suppress(OSError, WebSocketException, TimeoutError):
                async with client(self._host, ping_interval=None) as socket:
                    self.sockets += 1
                    await socket.init()
                    await socket.subscribe("s", self._query, **self._variables, after=self._cursor)
                    async for text in socket.socket:
                        self._take(json.loads(text))
            await asyncio.sleep(_RETRY_SECONDS)

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "error":
            codes = [error["extensions"]["code"] for error in message["payload"]]
            if not {"LAGGED", "SERVICE_UNAVAILABLE"} & set(codes):
                self.refusals.append(json.dumps(message["payload"]))
            raise OSError("the operation ended")
        if message["type"] == "next":
            payload = message["payload"]
            self._cursor = payload["extensions"]["cursor"]
            self.ids.append(b64decode(payload["data"][self._field]["id"]).decode())


class Audience:
    """Subscribers of new tokens and of the trades of some mints, judged by the feed in the database."""

    def __init__(self, host: str, mints: list[str]) -> None:
        self._launches = Subscriber(host, _LAUNCHES, "newTokens", {})
        self._trades = {mint: Subscriber(host, _TRADES, "trades", {"mint": mint}) for mint in mints}

    @property
    def everyone(self) -> list[Subscriber]:
        return [self._launches, *self._trades.values()]

    async def misdelivered(self, url: str, seconds: float) -> list[str]:
        """What somebody did not get, got twice or in another order than the feed's (I4), once `seconds` are over or
        nothing is. A subscriber is judged from the first record that it got."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await self._differences(url):
                    await asyncio.sleep(0.1)
        return await self._differences(url)

    async def _differences(self, url: str) -> list[str]:
        connection = await asyncpg.connect(url)
        try:
            launched = await connection.fetch(
                "SELECT 'Token:' || mint FROM tokens WHERE launch_sequence IS NOT NULL ORDER BY launch_sequence"
            )
            wrong = compare("newTokens", self._launches, [row[0] for row in launched])
            for mint, subscriber in self._trades.items():
                traded = await connection.fetch(
                    "SELECT 'Trade:' || extract(epoch FROM block_time)::bigint || ':' || encode(identity, 'hex')"
                    " FROM trades JOIN tokens t ON t.id = token_id WHERE mint = $1 ORDER BY sequence",
                    mint,
                )
                wrong += compare(f"trades of {mint}", subscriber, [row[0] for row in traded])
        finally:
            await connection.close()
        return wrong


def compare(name: str, subscriber: Subscriber, feed: list[str]) -> list[str]:
    """What a subscriber got against what the feed has, from the first record on that it got."""
    got = subscriber.ids
    wrong = [f"{name}: refused {each}" for each in subscriber.refusals]
    start = feed.index(got[0]) if got and got[0] in feed else 0
    expected = feed[start:]
    if not got:
        return [*wrong, f"{name}: nothing came"] if feed else wrong
    if got != expected:
        at = next((n for n, pair in enumerate(zip(got, expected, strict=False)) if pair[0] != pair[1]), "the end")
        wrong.append(f"{name}: {len(got)} came, {len(set(got))} different, {len(expected)} are true; apart at {at}")
    return wrong


@asynccontextmanager
async def listening(host: str, url: str, mints: int = 5) -> AsyncIterator[Audience]:
    """An audience for the mints that are traded most by now."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch("SELECT mint FROM tokens ORDER BY trade_count DESC LIMIT $1", mints)
    await connection.close()
    audience = Audience(host, [row[0] for row in rows])
    running = [asyncio.create_task(each.run()) for each in audience.everyone]
    try:
        yield audience
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
