"""Yellowstone streams from the test node, with faults: what is handed over, folded, is what is true there."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Self

import pytest
from recorded import DATA, needs_recordings
from rpc.judging import Judge, span

from app.domain.programs import Commitment
from app.errors import StartupError
from indexer.parse import parse
from indexer.sources.geyser.reading import read_transaction
from indexer.sources.geyser.source import GeyserSource
from indexer.transaction import Unfit
from node.chain import Chain, Mix
from node.faults import Kind
from node.material import recorded, simulated
from node.protobuf import transaction_info
from node.serving import serve_node
from node.truth import truth
from node.yellowstone import Geyser, serve_geyser


def made(**mix: float) -> Chain:
    return Chain(simulated(rate=20, tokens=10, started=1_790_000_000), Mix(**{"seed": 3, **mix}))  # type: ignore[arg-type]


@asynccontextmanager
async def endpoint(chain: Chain) -> AsyncIterator[Geyser]:
    async with serve_node(chain) as node, serve_geyser(node, ping_seconds=0.2) as geyser:
        yield geyser


class Follower(Judge):
    """A judge over a source of these endpoints."""

    def __init__(
        self, *endpoints: Geyser, state: bytes | None = None, token: str = "", commitment: str = "confirmed"
    ) -> None:
        urls = ",".join(each.url for each in endpoints)
        self.source = GeyserSource(urls, token, commitment, silent_seconds=1.0)
        super().__init__(self.source, state)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    def held(self, first: int, last: int) -> dict[int, dict[str, set[bytes]]]:
        return {slot: held for slot, held in self._seen.items() if first <= slot <= last}

    async def has(self, chain: Chain, first: int, last: int, *, once: bool = True) -> None:
        """Waits until exactly what is true of these slots was handed over."""
        true: dict[int, dict[str, set[bytes]]] = {}
        for each in truth(chain, first=first, last=last):
            true.setdefault(each.slot, {})[each.signature] = {event.identity for event in each.events}
        assert true, "the chain held nothing of ours: this proves nothing"
        await self.until(lambda: self.held(first, last) == true)
        assert not (once and self.doubled)


async def subscribed(*endpoints: Geyser) -> None:
    await until(lambda: all(each.subscriptions for each in endpoints))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.005)


def confirmed(chain: Chain) -> int:
    return chain.tip(Commitment.CONFIRMED)


async def test_every_transaction_of_ours_comes_once_with_its_place_and_time() -> None:
    chain = made(skipped_share=0.2)
    await chain.advance(10)
    async with endpoint(chain) as geyser, Follower(geyser) as follower:
        await subscribed(geyser)
        first = confirmed(chain) + 1
        await chain.advance(60)
        await follower.has(chain, first, confirmed(chain))
        await follower.until(lambda: follower.finalized == chain.tip(Commitment.FINALIZED))
    transactions = [each for delivery in follower.deliveries for each in delivery.transactions]
    assert all(each.block_time and each.transaction_index is not None and not each.failed for each in transactions)
    assert {each.commitment for each in transactions} == {Commitment.CONFIRMED}
    assert not follower.missing


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.RESET, Kind.HALF_OPEN])
async def test_a_stream_that_breaks_goes_on_where_it_was(kind: Kind) -> None:
    chain = made()
    await chain.advance(50)
    async with endpoint(chain) as geyser, Follower(geyser) as follower:
        await subscribed(geyser)
        first = confirmed(chain) + 1
        await chain.advance(40)
        await follower.has(chain, first, confirmed(chain))
        for stream in list(geyser.node.hub.connections):
            stream.act(kind)
        await chain.advance(20)
        await until(lambda: len(geyser.subscriptions) > 1)
        await chain.advance(40)
        await follower.has(chain, first, confirmed(chain))
    assert not follower.missing
    assert geyser.subscriptions[-1].HasField("from_slot")


async def test_of_several_endpoints_the_first_wins_and_the_others_fill_what_it_leaves_out() -> None:
    chain = made()
    await chain.advance(10)
    async with endpoint(chain) as leaky, endpoint(chain) as other, Follower(leaky, other) as follower:
        await subscribed(leaky, other)
        leaky.node.faults.add(Kind.DROP, "transaction", share=0.3)
        other.node.faults.add(Kind.DROP, "block_meta", share=0.3)
        first = confirmed(chain) + 1
        await chain.advance(50)
        await follower.has(chain, first, confirmed(chain))


async def test_an_endpoint_that_dies_leaves_the_other_and_is_told() -> None:
    chain = made()
    await chain.advance(10)
    async with endpoint(chain) as other, endpoint(chain) as dying, Follower(dying, other) as follower:
        await subscribed(dying, other)
        first = confirmed(chain) + 1
        dying.node.faults.add(Kind.RESET, "Subscribe")
        for stream in list(dying.node.hub.connections):
            stream.act(Kind.RESET)
        await chain.advance(50)
        await follower.has(chain, first, confirmed(chain))
        await follower.until(lambda: [state for _, state, _ in follower.source.components()] == ["DOWN", "OK"])


async def test_a_restart_goes_on_from_its_state() -> None:
    chain = made()
    await chain.advance(10)
    async with endpoint(chain) as geyser:
        async with Follower(geyser) as follower:
            await subscribed(geyser)
            first = confirmed(chain) + 1
            await chain.advance(60)
            await follower.has(chain, first, confirmed(chain))
            await follower.until(lambda: follower.finalized == chain.tip(Commitment.FINALIZED))
        await chain.advance(30)
        async with Follower(geyser, state=follower.state) as second:
            await chain.advance(40)
            await second.has(chain, follower.finalized + 1 if follower.finalized else 0, confirmed(chain))
    assert not second.missing


async def test_what_no_endpoint_can_replay_is_told_as_missing() -> None:
    chain = made()
    await chain.advance(10)
    async with endpoint(chain) as geyser:
        async with Follower(geyser) as follower:
            await subscribed(geyser)
            await chain.advance(60)
            await follower.until(lambda: follower.finalized == chain.tip(Commitment.FINALIZED))
        reached = follower.finalized or 0
        await chain.advance(100)
        geyser.replay_slots = 20
        begun = geyser.first_available
        async with Follower(geyser, state=follower.state) as second:
            await until(lambda: len(geyser.subscriptions) > 1)
            await chain.advance(60)
            await second.until(lambda: bool(second.missing))
            gap = span(second.missing[0])
            await second.has(chain, gap[1] + 1, confirmed(chain))
    assert gap[0] == reached + 1
    assert gap[1] <= begun


@pytest.mark.parametrize("commitment", ["processed", "confirmed"])
async def test_a_branch_that_does_not_become_final_is_retracted_and_what_moved_is_kept(commitment: str) -> None:
    chain = made()
    await chain.advance(10)
    async with endpoint(chain) as geyser, Follower(geyser, commitment=commitment) as follower:
        await subscribed(geyser)
        first = chain.slot + 1
        await chain.advance(20)
        chain.fork(6)
        await chain.advance(60)
        last = chain.tip(Commitment.FINALIZED)
        await follower.until(lambda: follower.finalized == last)
        await follower.has(
            chain, first, last, once=False
        )  # what moved with a branch may come again: it has an identity
    assert follower.retracted


async def test_a_refused_token_is_told_and_a_right_one_delivers() -> None:
    chain = made()
    await chain.advance(10)
    async with endpoint(chain) as geyser:
        geyser.node.faults.token = "secret"
        async with Follower(geyser, token="wrong") as refused:
            await until(lambda: refused.source.components()[0][2] == "refuses the token")
        async with Follower(geyser, token="secret") as follower:
            await subscribed(geyser)
            first = confirmed(chain) + 1
            await chain.advance(20)
            await follower.has(chain, first, confirmed(chain))


def test_wrong_settings_are_told_before_anything_starts() -> None:
    with pytest.raises(StartupError, match="CURVECAST_GEYSER_URLS is not set"):
        GeyserSource("", "", "confirmed")
    with pytest.raises(StartupError, match="what is no address"):
        GeyserSource("localhost:10000", "", "confirmed")
    with pytest.raises(StartupError, match="CURVECAST_RPC_COMMITMENT"):
        GeyserSource("http://localhost:1", "", "sure")


@needs_recordings()
async def test_every_recorded_transaction_reads_the_same_from_protobuf_as_from_json() -> None:
    chain = Chain(recorded(DATA), Mix(failed_share=0, foreign=0, skipped_share=0))
    await chain.advance(80)
    compared = 0
    for block in chain.blocks(0, chain.slot):
        for index, landed in enumerate(block.transactions):
            info = transaction_info(landed, index)
            try:
                (wanted,) = parse(landed.json, Commitment.CONFIRMED).transactions
                read = read_transaction(info, wanted.slot, wanted.block_time, Commitment.CONFIRMED)
            except (Unfit, ValueError):
                continue
            if not wanted.failed:
                assert read.instructions == wanted.instructions
                assert read.post_balances == wanted.post_balances
                assert (read.signature, read.accounts, read.fee) == (wanted.signature, wanted.accounts, wanted.fee)
                compared += 1
    assert compared > 10
