"""Gaps filled from a node: every slot once, proven, whatever the node does, and nothing said that was not seen."""

from datetime import UTC, datetime

import pytest
from rpc.judging import Judge, span

from app.domain.slots import Gap, OpenGap, SlotRange, close, note
from indexer.rpc.pool import Pool
from indexer.sources.backfill import BackfillSource
from node.chain import Chain, Mix
from node.faults import Kind
from node.material import simulated
from node.serving import Node, serve_node


def made(**mix: float) -> Chain:
    return Chain(simulated(rate=20, tokens=10, started=1_790_000_000), Mix(**{"seed": 5, **mix}))  # type: ignore[arg-type]


class Gaps:
    """The table of gaps, in memory: what the judge saw complete closes."""

    def __init__(self, *ranges: tuple[int, int]) -> None:
        self.open = note([], [Gap(SlotRange(*each), "the test took it") for each in ranges], datetime.now(UTC), "test")
        self.judge: Judge | None = None

    async def read(self) -> list[OpenGap]:
        complete = [each for delivery in self.judge.deliveries for each in delivery.complete] if self.judge else []
        return close(self.open, complete)


def filler(gaps: Gaps, *nodes: Node) -> Judge:
    pool = Pool(",".join(each.setting for each in nodes), look_seconds=0.1, patience_seconds=2.0)
    gaps.judge = Judge(BackfillSource(pool, gaps.read, look_seconds=0.05))
    return gaps.judge


async def test_a_gap_is_filled_to_its_last_slot_and_skipped_slots_are_proven() -> None:
    chain = made(skipped_share=0.3)
    await chain.advance(200)
    first = next(chain.blocks(0, chain.slot)).slot + 3
    gaps = Gaps((first, first + 40), (first + 60, first + 61), (first + 90, first + 90))
    async with serve_node(chain) as node, filler(gaps, node) as judge:
        await judge.reached(first + 90)
    judge.check(chain, first, first + 40)
    assert judge.complete == {*range(first, first + 41), first + 60, first + 61, first + 90}


async def test_the_end_of_a_gap_waits_until_it_is_final() -> None:
    chain = made()
    await chain.advance(120)
    last = chain.slot
    gaps = Gaps((last - 90, last))
    async with serve_node(chain) as node, filler(gaps, node) as judge:
        await judge.until(lambda: bool(judge.complete))
        assert last not in judge.complete
        await chain.advance(80)
        await judge.reached(last)
    judge.check(chain, last - 90, last)


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.RESET, Kind.STATUS, Kind.MALFORMED, Kind.TOO_MANY])
async def test_a_node_that_fails_now_and_then_costs_nothing_but_time(kind: Kind) -> None:
    chain = made()
    await chain.advance(120)
    last = chain.slot - 80
    gaps = Gaps((last - 30, last))
    async with serve_node(chain) as bad, serve_node(chain) as good:
        bad.faults.add(kind, "getBlock", share=0.5, seconds=0.05)
        async with filler(gaps, bad, good) as judge:
            await judge.reached(last)
    judge.check(chain, last - 30, last)


async def test_blocks_that_no_node_has_stay_missing_and_are_told() -> None:
    chain = made()
    await chain.advance(120)
    oldest = next(chain.blocks(0, chain.slot)).slot
    gaps = Gaps((oldest - 10, oldest + 5))
    async with serve_node(chain) as node, filler(gaps, node) as judge:
        await judge.until(lambda: bool(judge.missing or judge.complete))
    assert [span(each) for each in judge.missing] == [(oldest - 10, oldest + 5)]
    assert not judge.complete
