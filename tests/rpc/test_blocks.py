"""The chain followed by its blocks, from a node with faults: what is handed over, folded, is what is true there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from rpc.judging import Judge, ordered, span

from app.domain.programs import Commitment
from app.errors import ForkTooDeep, SourceLost, StartupError
from indexer.rpc.pool import Pool
from indexer.sources.rpc import RpcSource
from node.chain import Chain, Mix
from node.faults import Kind
from node.material import simulated
from node.serving import Node, serve_node

pytestmark = pytest.mark.usefixtures("quick")
STARTED = 1_790_000_000


def made(**mix: float) -> Chain:
    return Chain(simulated(rate=20, tokens=10, started=STARTED), Mix(**{"seed": 3, **mix}))  # type: ignore[arg-type]


def source(*nodes: Node, commitment: str = "confirmed") -> RpcSource:
    pool = Pool(",".join(node.setting for node in nodes), look_seconds=0.1, patience_seconds=0.6)
    return RpcSource(pool, commitment, finality_seconds=0.2)


@asynccontextmanager
async def followed(chain: Chain, *, commitment: str = "confirmed") -> AsyncIterator[tuple[Node, Judge]]:
    """A node over a chain of 40 slots and a source that has begun to follow it."""
    await chain.advance(40)
    async with serve_node(chain) as node, Judge(source(node, commitment=commitment)) as judge:
        await judge.until(lambda: "getBlock" in node.requests)  # it knows where it begins
        yield node, judge


def behind(chain: Chain) -> int:
    """The newest confirmed block."""
    return chain.tip(Commitment.CONFIRMED)


async def test_every_block_is_delivered_once_and_in_order_and_skipped_slots_are_proven() -> None:
    chain = made(skipped_share=0.3)
    async with followed(chain) as (_, judge):
        first = behind(chain) + 1
        for _ in range(20):
            await chain.advance(2)
            await asyncio.sleep(0)
        await judge.reached(behind(chain))
        judge.check(chain, first, behind(chain))
    ranges = ordered(judge.deliveries)
    assert [each.first for each in ranges[1:]] == [each.last + 1 for each in ranges[:-1]]
    assert any(each.first < each.last for each in ranges)
    assert not judge.retracted
    assert not judge.missing


async def test_nothing_from_before_the_start_is_delivered() -> None:
    chain = made()
    await chain.advance(40)
    start = behind(chain)
    async with serve_node(chain) as node, Judge(source(node)) as judge:
        await judge.until(lambda: "getBlock" in node.requests)
        await chain.advance(5)
        await judge.reached(behind(chain))
    assert min(each.first for each in ordered(judge.deliveries)) == start + 1


async def test_transactions_say_where_they_are_and_how_certain() -> None:
    chain = made()
    async with followed(chain) as (_, judge):
        await chain.advance(6)
        await judge.reached(behind(chain))
    for each in (each for delivery in judge.deliveries for each in delivery.transactions):
        block = chain.block(each.slot)
        assert block is not None
        assert each.transaction_index is not None
        assert block.transactions[each.transaction_index].signature == each.signature
        assert each.block_time == block.time
        assert each.commitment is Commitment.CONFIRMED


@pytest.mark.parametrize("depth", [1, 5, 31])
async def test_a_fork_is_retracted_and_its_other_branch_delivered(depth: int) -> None:
    chain = made()
    async with followed(chain) as (_, judge):
        first = behind(chain) + 1
        await chain.advance(34)
        await judge.reached(behind(chain))
        left = {slot for slot in judge.complete if slot > sorted_slots(chain)[-depth - 1] and chain.block(slot)}
        chain.fork(depth)
        await chain.advance(4)
        await judge.until(lambda: behind(chain) in judge.complete and (not left or bool(judge.retracted)))
        judge.check(chain, first, behind(chain))
    assert set(judge.retracted) >= left


async def test_a_fork_below_where_it_began_is_followed_too() -> None:
    chain = made()
    async with followed(chain) as (_, judge):
        await chain.advance(4)
        await judge.reached(behind(chain))
        chain.fork(12)
        begin = sorted_slots(chain)[-1] - 3
        await chain.advance(6)
        await judge.until(lambda: behind(chain) in judge.complete and bool(judge.retracted))
        judge.check(chain, begin, behind(chain))


async def test_a_fork_is_found_when_only_finality_tells() -> None:
    chain = made()
    async with followed(chain) as (_, judge):
        first = behind(chain) + 1
        await chain.advance(10)
        await judge.reached(behind(chain))
        chain.fork(6, skipped_share=0.0)
        await chain.advance(45)
        await judge.until(lambda: behind(chain) in judge.complete)
        judge.check(chain, first, behind(chain))


async def test_a_fork_deeper_than_finality_stops_with_one_clear_line() -> None:
    chain = made()
    async with followed(chain) as (_, judge):
        await chain.advance(70)
        await judge.until(lambda: judge.finalized == chain.tip(Commitment.FINALIZED))
        await judge.reached(behind(chain))
        chain.fork(60)
        await chain.advance(4)
        with pytest.raises(ForkTooDeep, match="Nothing was deleted") as stopped:
            await judge.until(lambda: False)
    assert "\n" not in str(stopped.value)


async def test_it_tells_how_far_the_chain_is_final() -> None:
    chain = made()
    async with followed(chain) as (_, judge):
        await chain.advance(50)
        await judge.until(lambda: judge.finalized == chain.tip(Commitment.FINALIZED))
        assert judge.deliveries[-1].tip_slot >= behind(chain)  # type: ignore[operator]


async def test_finalized_blocks_only_when_asked_for() -> None:
    chain = made()
    async with followed(chain, commitment="finalized") as (_, judge):
        first = chain.tip(Commitment.FINALIZED) + 1
        await chain.advance(20)
        await judge.reached(chain.tip(Commitment.FINALIZED))
        judge.check(chain, first, chain.tip(Commitment.FINALIZED))
        assert max(judge.complete) == chain.tip(Commitment.FINALIZED)
        assert judge.deliveries[-1].finalized_slot == chain.tip(Commitment.FINALIZED)


async def test_a_restart_goes_on_where_it_was_left() -> None:
    chain = made()
    async with followed(chain) as (_, judge):
        first = behind(chain) + 1
        await chain.advance(10)
        await judge.reached(behind(chain))
        await judge.__aexit__()
        await chain.advance(60)
        async with judge:
            await judge.reached(behind(chain))
        judge.check(chain, first, behind(chain))
        assert not judge.missing


async def test_a_fork_during_an_absence_is_found_after_it() -> None:
    chain = made()
    async with followed(chain) as (_, judge):
        first = behind(chain) + 1
        await chain.advance(20)
        await judge.reached(behind(chain))
        await judge.__aexit__()
        chain.fork(15)
        await chain.advance(50)
        async with judge:
            await judge.reached(behind(chain))
        judge.check(chain, first, behind(chain))
        assert judge.retracted


async def test_blocks_that_no_node_keeps_are_told_as_missing_and_the_rest_goes_on() -> None:
    chain = Chain(simulated(rate=20, tokens=10, started=STARTED), Mix(seed=3), keep=20)
    async with followed(chain) as (_, judge):
        await chain.advance(6)
        await judge.reached(behind(chain))
        left = max(judge.complete)
        await judge.__aexit__()
        await chain.advance(200)
        async with judge:
            await judge.reached(behind(chain))
        (gap,) = judge.missing
        assert span(gap)[0] == left + 1
        judge.check(chain, span(gap)[1] + 1, behind(chain))
        assert set(range(*span(gap))).isdisjoint(judge.complete)


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.RESET, Kind.TOO_MANY, Kind.STATUS, Kind.MALFORMED])
async def test_nothing_is_lost_when_requests_fail(kind: Kind) -> None:
    chain = made()
    async with followed(chain) as (node, judge):
        first = behind(chain) + 1
        asked = node.requests.count("getBlock")
        node.faults.add(kind, "getBlock", times=2, seconds=0.1)
        node.faults.add(kind, "getBlocks", times=1, seconds=0.1)
        await chain.advance(12)
        await judge.reached(behind(chain))
        judge.check(chain, first, behind(chain))
        blocks = sum(slot in judge.complete for slot in sorted_slots(chain))
        assert node.requests.count("getBlock") - asked >= blocks + 2, "no request failed: this proves nothing"


async def test_another_node_takes_over_and_nothing_is_lost_or_doubled() -> None:
    chain = made()
    await chain.advance(40)
    async with serve_node(chain) as one, serve_node(chain) as other, Judge(source(one, other)) as judge:
        await judge.until(lambda: "getBlock" in one.requests + other.requests)
        first = behind(chain) + 1
        for broken in (one, other, one):
            fault = broken.faults.add(Kind.STATUS, "*", status=502)
            await chain.advance(6)
            await judge.reached(behind(chain))
            broken.faults.remove(fault)
        judge.check(chain, first, behind(chain))


async def test_a_node_that_lags_behind_the_other_does_not_hold_it_up() -> None:
    chain = made()
    await chain.advance(140)
    async with serve_node(chain) as late, serve_node(chain) as good:
        late.faults.lag = 60
        async with Judge(source(late, good)) as judge:
            await judge.until(lambda: "getBlock" in good.requests)
            first = behind(chain) + 1
            await chain.advance(8)
            await judge.reached(behind(chain))
            judge.check(chain, first, behind(chain))


async def test_a_half_open_websocket_is_replaced_and_slots_are_polled_meanwhile() -> None:
    chain = made()
    await chain.advance(40)
    async with serve_node(chain, speed=20) as node:
        followed = source(node)
        followed.heads.silence_seconds = 0.4
        async with Judge(followed) as judge:
            await judge.until(lambda: followed.heads.is_live)
            first = behind(chain) + 1
            node.act(Kind.HALF_OPEN)
            await judge.until(lambda: not followed.heads.is_live)
            silent_from = behind(chain)
            await judge.reached(silent_from + 3)
            assert followed.components()[-1][1] == "DEGRADED"
            await judge.until(lambda: followed.heads.is_live)
            last = behind(chain)
            await judge.reached(last)
            judge.check(chain, first, last)


async def test_without_a_websocket_slots_are_polled() -> None:
    chain = made()
    await chain.advance(40)
    async with serve_node(chain) as node:
        node.faults.add(Kind.STATUS, "connect", status=404)
        async with Judge(source(node)) as judge:
            await judge.until(lambda: "getBlock" in node.requests)
            first = behind(chain) + 1
            await chain.advance(5)
            await judge.reached(behind(chain))
            judge.check(chain, first, behind(chain))


async def test_a_source_whose_only_node_is_gone_is_lost_and_says_which() -> None:
    chain = made()
    async with followed(chain) as (node, judge):
        await judge.until(lambda: node.sockets == 1)
        node.faults.add(Kind.STATUS, "*", status=502)
        with pytest.raises(SourceLost, match=f"127.0.0.1:{node.port}: HTTP 502"):
            await judge.until(lambda: False)


async def test_a_node_of_another_cluster_than_before_is_not_followed() -> None:
    chain = made()
    async with followed(chain) as (node, judge):
        await chain.advance(4)
        await judge.reached(behind(chain))
        await judge.__aexit__()
        node.faults.genesis_hash = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG"
        async with judge:
            with pytest.raises(SourceLost, match="another chain"):
                await judge.until(lambda: False)


def test_processed_blocks_are_refused_because_no_node_gives_them() -> None:
    with pytest.raises(StartupError, match="confirmed or finalized"):
        RpcSource(Pool("http://127.0.0.1:8899"), "processed")


def sorted_slots(chain: Chain) -> list[int]:
    return [block.slot for block in chain.blocks(chain.first_slot, chain.slot)]
