"""Documents of new tokens end in the answers, and those that cannot be had are asked for again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import pytest
from asking import Asked
from factories import address, launch
from metadata.stranger import CID, DOCUMENT, stranger
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.store.tables import token_metadata
from indexer.metadata.fetching import Fetcher
from indexer.metadata.keeping import MetadataKeeper

_METADATA = """query ($mint: String!) { token(mintAddress: $mint) {
  metadata { uri image description website twitter telegram discord }
} }"""


@asynccontextmanager
async def keeping(engine: AsyncEngine, *gateways: str) -> AsyncIterator[None]:
    async with Fetcher(gateways, judge=lambda ip: ip == "127.0.0.1", seconds=2) as fetcher:
        running = asyncio.create_task(MetadataKeeper(engine, fetcher, look_seconds=0.02).run())
        try:
            yield
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def tries(engine: AsyncEngine) -> list[tuple[int, str | None]]:
    async with engine.connect() as connection:
        query = select(token_metadata.c.tries, token_metadata.c.why).order_by(token_metadata.c.token_id)
        return [(row.tries, row.why) for row in await connection.execute(query)]


async def until_tried(engine: AsyncEngine, count: int) -> list[tuple[int, str | None]]:
    async with asyncio.timeout(15):
        while True:
            found = await tries(engine)
            if sum(each for each, _ in found) >= count:
                return found
            await asyncio.sleep(0.01)


async def test_the_document_of_a_new_token_is_in_its_answers(store: Asked) -> None:
    async with stranger() as url, keeping(store.engine, url):
        await store.write([launch(uri=f"ipfs://{CID}")])
        await until_tried(store.engine, 1)
        found = (await store.answer(_METADATA, mint=address("mint")))["token"]["metadata"]
    assert found["uri"] == f"ipfs://{CID}"
    assert (found["image"], found["website"]) == (DOCUMENT["image"], DOCUMENT["website"])
    assert (found["telegram"], found["discord"]) == ("https://t.me/turtle_chat", None)


async def test_before_it_was_fetched_only_the_address_is_told(store: Asked) -> None:
    await store.write([launch(uri="https://example.com/1")])
    found = (await store.answer(_METADATA, mint=address("mint")))["token"]["metadata"]
    assert found["uri"] == "https://example.com/1"
    assert found["image"] is None


@pytest.mark.parametrize("uri", ["not an address", ""])
async def test_an_address_that_is_none_is_not_told_as_one(store: Asked, uri: str) -> None:
    await store.write([launch(uri=uri)])
    found = (await store.answer(_METADATA, mint=address("mint")))["token"]["metadata"]
    assert found is None or found["uri"] is None


async def test_what_cannot_be_had_is_asked_for_again_later_and_not_for_ever(store: Asked) -> None:
    async with stranger() as url, keeping(store.engine):
        await store.write([launch(uri=f"{url}/nothing")])
        assert await until_tried(store.engine, 1) == [(1, "HTTP 404")]
        for number in range(2, 6):
            async with store.engine.begin() as connection:  # the pause is over
                await connection.execute(update(token_metadata).values(next_try_at=datetime(2026, 1, 1, tzinfo=UTC)))
            assert await until_tried(store.engine, number) == [(number, "HTTP 404")]
        async with store.engine.connect() as connection:
            assert (await connection.execute(select(token_metadata.c.next_try_at))).scalar() is None
