"""`--source rpc` as a user meets it: what is missing is said in one line; what is there ends up in the store."""

import asyncio

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.datastructures import Secret

from app.bus.feed import Bus
from app.domain.programs import Commitment
from app.errors import ForkTooDeep, StartupError
from app.settings import Settings
from app.store.tables import trades
from indexer.pipeline import Counters
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


async def test_the_trades_of_the_chain_are_in_the_store_once_across_a_fork(engine: AsyncEngine) -> None:
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
            await same(engine, chain, first, indexing)
            before = set(await stored(engine))
            chain.fork(12)
            await chain.advance(4)
            await same(engine, chain, first, indexing)
        indexing.cancel()
        await asyncio.gather(indexing, return_exceptions=True)
    await bus.disconnect()
    assert before - set(await stored(engine)), "the fork took no trade away: this proves nothing"


async def same(engine: AsyncEngine, chain: Chain, first: int, indexing: "asyncio.Task[Counters]") -> None:
    """Waits until the store holds the trades of the present fork, each once, and nothing else."""
    true = sorted(true_trades(chain, first=first, last=chain.tip(Commitment.CONFIRMED)))
    assert len(true) > 50
    while await stored(engine) != true:
        if indexing.done():
            indexing.result()
        await asyncio.sleep(0.02)


async def stored(engine: AsyncEngine) -> list[bytes]:
    async with engine.connect() as connection:
        return sorted((await connection.execute(select(trades.c.identity))).scalars())


async def test_a_fork_deeper_than_finality_ends_the_indexer_and_deletes_nothing(engine: AsyncEngine) -> None:
    chain = Chain(simulated(rate=40, tokens=20, started=1_790_000_000), Mix(seed=3))
    await chain.advance(40)
    bus = Bus("memory://", 100)
    await bus.connect()
    async with serve_node(chain) as node:
        settings = Settings(rpc_urls=Secret(node.setting), rpc_commitment="finalized")
        source = open_source("rpc", SourceOptions(), settings)
        indexing = asyncio.create_task(run_indexer(settings, engine, source, bus, once=False))
        async with asyncio.timeout(SECONDS):
            while "getBlock" not in node.requests:
                await asyncio.sleep(0.01)
            await chain.advance(30)
            while len(before := await stored(engine)) < 50:
                await asyncio.sleep(0.02)
            chain.fork(60)
            await chain.advance(10)
            with pytest.raises(ForkTooDeep):
                await indexing
    await bus.disconnect()
    assert set(before) <= set(await stored(engine))
