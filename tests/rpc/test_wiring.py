"""`--source rpc` as a user meets it: what is missing is said in one line; what is there ends up in the store."""

import asyncio

import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.datastructures import Secret

from app.bus.feed import Bus
from app.domain.programs import Commitment
from app.errors import StartupError
from app.settings import Settings
from app.store.tables import trades
from indexer.run import run_indexer
from indexer.sources.selection import SourceOptions, open_source
from node.chain import Chain, Mix
from node.material import simulated
from node.serving import serve_node
from node.truth import true_trades

SECONDS = 20.0


def test_without_nodes_it_says_what_to_set() -> None:
    with pytest.raises(StartupError, match="CURVECAST_RPC_URLS is not set: give the address"):
        open_source("rpc", SourceOptions(), Settings())


async def test_the_trades_of_the_chain_are_in_the_store_once(engine: AsyncEngine) -> None:
    chain = Chain(simulated(rate=40, tokens=20, started=1_790_000_000), Mix(seed=3))
    await chain.advance(40)
    bus = Bus("memory://", 100)
    await bus.connect()
    async with serve_node(chain) as node:
        settings = Settings(rpc_urls=Secret(node.setting))
        source = open_source("rpc", SourceOptions(), settings)
        indexing = asyncio.create_task(run_indexer(settings, engine, source, bus, once=False))
        async with asyncio.timeout(SECONDS):
            while "getBlock" not in node.requests:
                await asyncio.sleep(0.01)
            first = chain.tip(Commitment.CONFIRMED) + 1
            await chain.advance(30)
            true = true_trades(chain, first=first, last=chain.tip(Commitment.CONFIRMED))
            while await stored(engine) < len(true) and not indexing.done():
                await asyncio.sleep(0.02)
        indexing.cancel()
        await asyncio.gather(indexing, return_exceptions=True)
    await bus.disconnect()
    assert await stored(engine) == len(true) > 50


async def stored(engine: AsyncEngine) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(select(func.count()).select_from(trades))).scalar_one())
