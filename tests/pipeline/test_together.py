"""A live market as it runs: several sources, and beside them what fills gaps and reads accounts, from real servers."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.datastructures import Secret
from transport.serving import served

from app.application import create_app
from app.bus.feed import Bus
from app.domain.programs import Commitment
from app.settings import Settings
from app.store.components import read_components
from app.store.gaps import open_gaps
from app.store.tables import tokens, trades
from indexer.beside import open_beside
from indexer.run import run_indexer
from indexer.sources.geyser.source import GeyserSource
from indexer.sources.selection import SourceOptions, open_sources
from node.chain import Chain, Mix
from node.faults import Kind
from node.material import simulated
from node.serving import Node, serve_node
from node.truth import true_trades
from node.yellowstone import Geyser, serve_geyser

SECONDS = 30.0


def made(**mix: float) -> Chain:
    return Chain(simulated(rate=40, tokens=20, started=1_790_000_000), Mix(**{"seed": 3, **mix}))  # type: ignore[arg-type]


@asynccontextmanager
async def servers(chain: Chain) -> AsyncIterator[tuple[Node, Geyser]]:
    async with serve_node(chain) as node, serve_geyser(node) as geyser:
        yield node, geyser


@asynccontextmanager
async def indexing(
    engine: AsyncEngine, sources: str, node: Node, geyser: Geyser, commitment: str = "confirmed"
) -> AsyncIterator[None]:
    """What `curvecast index --source …` runs, but for the public internet."""
    settings = Settings(
        rpc_urls=Secret(node.setting),
        geyser_urls=Secret(geyser.url),
        price_apis="none",
        ipfs_gateways="none",
    )
    bus = Bus("memory://")
    await bus.connect()
    market = open_sources(sources, SourceOptions(), settings)
    if commitment == "processed":  # the stream sees what may yet vanish, the blocks what is confirmed
        market[0] = GeyserSource(geyser.url, "", commitment)
    async with open_beside(settings, engine, market) as (beside, works):
        running = asyncio.create_task(
            run_indexer(settings, engine, market, bus, once=False, beside=beside, works=works)
        )
        try:
            yield
            assert not running.done(), "the indexer ended"
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await bus.disconnect()


async def stored(engine: AsyncEngine) -> list[bytes]:
    async with engine.connect() as connection:
        return sorted(bytes(row.identity) for row in await connection.execute(select(trades.c.identity)))


async def until_true(engine: AsyncEngine, chain: Chain, first: int, last: int) -> None:
    """Waits until the store holds the trades of these slots, each once, and no others."""
    true = sorted(true_trades(chain, first=first, last=last))
    assert len(true) > 50
    async with asyncio.timeout(SECONDS):
        while await stored(engine) != true:
            await asyncio.sleep(0.05)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


def confirmed(chain: Chain) -> int:
    return chain.tip(Commitment.CONFIRMED)


async def test_two_sources_together_store_each_trade_once_and_one_makes_up_for_the_other(engine: AsyncEngine) -> None:
    chain = made()
    await chain.advance(20)
    async with servers(chain) as (node, geyser), indexing(engine, "geyser, rpc", node, geyser):
        await until(lambda: bool(geyser.subscriptions) and "getBlock" in node.requests)
        first = confirmed(chain) + 1
        await chain.advance(20)
        await until_true(engine, chain, first, confirmed(chain))
        node.faults.add(Kind.DROP, "transaction", share=0.5)  # the stream loses half
        await chain.advance(20)
        await until_true(engine, chain, first, confirmed(chain))
        node.faults.clear()
        node.faults.add(Kind.RESET, "Subscribe")  # the stream is gone
        for stream in list(node.hub.connections):
            stream.act(Kind.RESET)
        await chain.advance(20)
        await until_true(engine, chain, first, confirmed(chain))
        told = {each.name: each for each in await read_components(engine)}
        assert told["source rpc"].state == "OK"


async def test_what_a_stream_saw_of_a_branch_that_vanished_leaves_with_it(engine: AsyncEngine) -> None:
    chain = made()
    await chain.advance(20)
    async with servers(chain) as (node, geyser), indexing(engine, "geyser,rpc", node, geyser, "processed"):
        await until(lambda: bool(geyser.subscriptions) and "getBlock" in node.requests)
        first = confirmed(chain) + 1
        await chain.advance(10)
        for depth in (1, 2, 4):
            async with asyncio.timeout(SECONDS):  # the newest block is there, and will vanish
                newest = set(true_trades(chain, first=chain.slot, last=chain.slot))
                while not newest <= set(await stored(engine)):
                    await asyncio.sleep(0.02)
            chain.fork(depth, skipped_share=0.5)
            await chain.advance(3)
        await chain.advance(80)
        await until_true(engine, chain, first, chain.slot)


async def test_what_a_source_leaves_out_is_counted_against_the_one_that_proves_its_blocks(engine: AsyncEngine) -> None:
    chain = made(skipped_share=0.1)
    await chain.advance(20)

    async def share() -> str:
        told = {each.name: each for each in await read_components(engine)}
        return told["completeness of geyser"].detail if "completeness of geyser" in told else ""

    async with servers(chain) as (node, geyser), indexing(engine, "geyser,rpc", node, geyser):
        await until(lambda: bool(geyser.subscriptions) and "getBlock" in node.requests)
        first = confirmed(chain) + 1
        node.faults.add(Kind.DROP, "transaction", share=0.2)
        for _ in range(15):  # slots come far faster than in life: what is brought late counts as left out
            await chain.advance(10)
            await until_true(engine, chain, first, confirmed(chain))
        async with asyncio.timeout(SECONDS):
            while " %" not in await share():
                await asyncio.sleep(0.05)
        brought, events = (int(each.replace(",", "")) for each in re.findall(r"([\d,]+) of ([\d,]+)", await share())[0])
    assert 0 < brought < events


async def test_what_happened_while_nothing_ran_is_a_gap_and_is_filled_while_live_goes_on(engine: AsyncEngine) -> None:
    chain = made()
    await chain.advance(20)
    async with servers(chain) as (node, geyser):
        async with indexing(engine, "rpc", node, geyser):
            await until(lambda: "getBlock" in node.requests)
            first = confirmed(chain) + 1
            await chain.advance(20)
            await until_true(engine, chain, first, confirmed(chain))
        await chain.advance(100)  # nobody is there
        async with indexing(engine, "geyser", node, geyser):
            await until(lambda: bool(geyser.subscriptions))
            await chain.advance(5)
            async with asyncio.timeout(SECONDS):
                while not await open_gaps(engine):
                    await asyncio.sleep(0.02)
            await chain.advance(80)  # what was missing is well below the final slot now
            await until_true(engine, chain, first, confirmed(chain))
            async with asyncio.timeout(SECONDS):
                while await open_gaps(engine):
                    await asyncio.sleep(0.05)


async def test_tokens_met_in_mid_life_are_whole_once_their_accounts_were_read(engine: AsyncEngine) -> None:
    chain = made()
    await chain.advance(60)
    async with servers(chain) as (node, geyser), indexing(engine, "rpc", node, geyser):
        await until(lambda: "getBlock" in node.requests)
        await chain.advance(30)
        met = tokens.c.launch_sequence.is_(None)
        whole = tokens.c.name.is_not(None) & tokens.c.creator.is_not(None) & tokens.c.total_supply.is_not(None)
        async with asyncio.timeout(SECONDS):
            while True:
                async with engine.connect() as connection:
                    counts = select(func.count(), func.count().filter(whole)).where(met)
                    total, done = (await connection.execute(counts)).one()
                if total > 3 and done == total:
                    break
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("sources", ["rpc", "geyser"])
async def test_status_says_when_a_source_is_down_and_when_it_is_back_and_queries_go_on(
    engine: AsyncEngine, sources: str
) -> None:
    chain = made()
    await chain.advance(20)
    settings, bus = Settings(sol_usd="150"), Bus("memory://")
    await bus.connect()

    async def ask(query: str) -> Any:
        return (await http.post("/graphql", json={"query": query})).json()["data"]

    async def states() -> dict[str, str]:
        status = (await ask("{ status { components { name state } } }"))["status"]
        return {each["name"]: each["state"] for each in status["components"]}

    async def until_told(state: str) -> None:
        async with asyncio.timeout(SECONDS):
            while (await states()).get(f"source {sources}") != state:
                await asyncio.sleep(0.05)

    async with (
        servers(chain) as (node, geyser),
        indexing(engine, sources, node, geyser),
        served(create_app(settings, engine=engine, bus=bus), settings) as host,
        httpx.AsyncClient(base_url=f"http://{host}", timeout=SECONDS) as http,
    ):
        await until(lambda: bool(geyser.subscriptions) or "getBlock" in node.requests)
        await chain.advance(20)
        await until_told("OK")
        node.faults.add(Kind.RESET, "*")
        for stream in list(node.hub.connections):
            stream.act(Kind.RESET)
        await until_told("DOWN")
        assert f'curvecast_component{{name="source {sources}"}} 0.0' in (await http.get("/metrics")).text
        assert (await ask("{ trades(first: 1) { nodes { slot } } }"))["trades"]["nodes"]
        node.faults.clear()
        for _ in range(8):
            await chain.advance(5)
            await asyncio.sleep(0.2)
        await until_told("OK")
    await bus.disconnect()
