"""`priceStream`: the present of every token that was asked for, then the newest price of each."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from asking import Asked
from fanout.listening import Ended, Listener, Server, serve
from live.feeding import SECONDS, SETTINGS, feed, mint, running_hub, until
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.records import Batch

SEED = 7
MINTS = [mint(SEED, number) for number in range(3)]
PRICE = "mintAddress price { quoteExact usd asOf { slot } } marketCap priceChange24h volume24h"
STREAM = f"""subscription($mints: [String!]!, $delivery: StreamDelivery) {{
  priceStream(mintAddresses: $mints, delivery: $delivery) {{
    cursor phase gap {{ dropped merged }} head {{ slot }} prices {{ {PRICE} }}
  }}
}}"""
QUERY = """query($mints: [String!]!) {
  tokensByMint(mintAddresses: $mints) {
    mintAddress price: currentPrice { quoteExact usd asOf { slot } } marketCap priceChange24h volume24h
  }
}"""


async def _nothing(batch: Batch) -> None:
    """Nobody listens."""


async def payload(listener: Listener) -> dict[str, Any]:
    found: dict[str, Any] = (await listener.data())["priceStream"]
    return found


async def opened(
    server: Server, mints: Sequence[str], listener: Listener | None = None, **delivery: object
) -> Listener:
    return await server.live(STREAM, listener, mints=list(mints), delivery=delivery)


async def queried(server: Server, mints: Sequence[str]) -> list[dict[str, Any]]:
    """What a query says of the same tokens."""
    asked = Asked(server.hub.engine, server.cursors, SETTINGS, [])
    data = await asked.answer(QUERY, mints=list(mints))
    return [each for each in data["tokensByMint"] if each is not None]


async def test_the_present_of_every_token_comes_at_once_and_is_what_a_query_says(engine: AsyncEngine) -> None:
    await feed(engine, _nothing, SEED, 60)
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        first = await payload(await opened(server, [*MINTS, mint(SEED + 1)]))
        assert first["prices"] == await queried(server, MINTS)
        assert (first["phase"], first["gap"]) == ("BACKFILL", None)


async def test_every_change_arrives_and_the_last_of_each_is_what_a_query_says(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        listener = await opened(server, MINTS[:2])
        await feed(engine, hub.bus.publish, SEED, 90)
        expected = {each["mintAddress"]: each for each in await queried(server, MINTS[:2])}
        newest: dict[str, dict[str, Any]] = {}
        async with asyncio.timeout(SECONDS):
            while {name: each["price"] for name, each in newest.items()} != {
                name: each["price"] for name, each in expected.items()
            }:
                told = await payload(listener)
                assert told["phase"] == "LIVE"
                newest |= {each["mintAddress"]: each for each in told["prices"]}
        assert {name: each["marketCap"] for name, each in newest.items()} == {
            name: each["marketCap"] for name, each in expected.items()
        }
        assert len(listener.payloads) > 10


async def test_an_interval_tells_the_newest_of_each_and_how_many_it_stands_for(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        listener = await opened(server, MINTS, intervalMs=150)
        changes: list[str] = []

        async def publish(batch: Batch) -> None:
            changes.extend(token.mint for token in batch.tokens if token.mint in MINTS and token.price is not None)
            await hub.bus.publish(batch)

        await feed(engine, publish, SEED, 120)
        merged, told = 0, 0
        async with asyncio.timeout(SECONDS):
            while merged + told < len(changes):
                each = await payload(listener)
                mints = [price["mintAddress"] for price in each["prices"]]
                assert len(set(mints)) == len(mints)
                told += len(mints)
                merged += (each["gap"] or {"merged": 0})["merged"]
        assert merged + told == len(changes)
        assert merged > 0


async def test_who_does_not_read_gets_the_newest_of_each_token(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        slow = await opened(server, MINTS, Listener(room=1), overflow="CONFLATE")
        await feed(engine, hub.bus.publish, SEED, 90)
        expected = await queried(server, MINTS)
        await until(lambda: slow.is_waiting)
        await payload(slow)
        caught_up = await payload(slow)
        assert caught_up["gap"]["merged"] > 0
        assert {each["mintAddress"]: each["price"]["quoteExact"] for each in caught_up["prices"]} == {
            each["mintAddress"]: each["price"]["quoteExact"] for each in expected
        }


async def test_a_quiet_stream_beats(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        listener = await opened(await serve(engine, hub), MINTS, heartbeatMs=100)
        assert (await payload(listener))["prices"] == []


@pytest.mark.parametrize(
    ("mints", "code"), [([], "BAD_USER_INPUT"), (["x"], "BAD_USER_INPUT"), ([MINTS[0]] * 501, "MAX_PAGE_SIZE")]
)
async def test_mints_that_cannot_be_followed_are_refused(engine: AsyncEngine, mints: list[str], code: str) -> None:
    async with running_hub(engine) as hub:
        listener = await opened(await serve(engine, hub), mints)
        with pytest.raises(Ended) as ended:
            await listener.read()
        assert ended.value.extensions["code"] == code
