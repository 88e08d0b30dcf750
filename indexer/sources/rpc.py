"""The live chain by its blocks: complete and in order, because each block names the one before it.

A block that does not follow the tip is walked back from to where its branch leaves; what was delivered of the other
branch is retracted, then the new blocks follow. A restart goes on from the unfinalized chain that its state holds.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

from app.domain.programs import Commitment
from app.domain.slots import Gap, SlotRange
from app.errors import SourceLost, StartupError
from indexer.rpc.ahead import LIST_SLOTS, Ahead
from indexer.rpc.block import Block, Link
from indexer.rpc.finality import FINALITY_SECONDS, Finality
from indexer.rpc.heads import Heads
from indexer.rpc.node import Node
from indexer.rpc.pool import Pool
from indexer.sources import Delivery, Unreadable
from indexer.sources.forks import Hole, Unsteady, find_branch
from indexer.sources.unfinalized import Point, Unfinalized

_IDLE_SECONDS: Final = 0.5
"""How long a block is waited for before finality is looked at."""
_UNSTEADY_TRIES: Final = 6
_UNSTEADY_SECONDS: Final = 0.25


class RpcSource:
    """Follows the chain at `confirmed` or `finalized`. StartupError for another commitment: nodes give no blocks then.

    Without a state it begins at the chain's tip. With one it delivers all blocks since, as fast as nodes give them;
    blocks that no node has any more are told as missing. Raises ForkTooDeep, and SourceLost when no node serves.
    """

    name = "rpc"
    is_simulated = False

    def __init__(
        self, pool: Pool, commitment: str = "confirmed", *, finality_seconds: float = FINALITY_SECONDS
    ) -> None:
        if commitment not in ("confirmed", "finalized"):
            raise StartupError(
                f"CURVECAST_RPC_COMMITMENT is {commitment!r}: nodes give blocks as confirmed or finalized only; the"
                " sources logs and geyser read processed ones."
            )
        self.pool = pool
        self._commitment = Commitment[commitment.upper()]
        self._node = Node(pool)
        self.heads = Heads(pool)
        self._finality_seconds = finality_seconds
        self._first: tuple[int, ...] = ()
        self._unsteady = 0

    def components(self) -> list[tuple[str, str, str]]:
        """(name, OK, DEGRADED or DOWN, detail) of each node, and how slots are told."""
        return [*self.pool.components(), self.heads.component()]

    async def stream(self, state: bytes | None) -> AsyncIterator[Delivery]:
        """Deliveries of one block each, without an end."""
        chain = Unfinalized.decode(state) if state else None
        self.pool.follow(chain.genesis if chain else None)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.pool)
            await stack.enter_async_context(self.heads)
            chain = chain or await self._begin()
            finality = Finality(self._node, self.heads, chain.finalized, lambda: chain.tip.slot, self._finality_seconds)
            await stack.enter_async_context(finality)
            self._first = ()
            while True:
                async with Ahead(self._node, self.heads, self._commitment, chain.tip.slot, self._first) as ahead:
                    self._first = ()
                    async for delivery in self._follow(chain, ahead, finality):
                        yield delivery

    async def _begin(self) -> Unfinalized:
        """A chain that holds the newest block only."""
        finalized = await self._node.slot(Commitment.FINALIZED)
        slot = await self._node.slot(self._commitment)
        slots = await self._node.slots(max(0, slot - LIST_SLOTS), slot, self._commitment)
        link = await self._node.link(slots[-1], self._commitment) if slots else None
        if link is None:
            raise SourceLost("the node has no block to begin at")
        return Unfinalized([Point(link.slot, link.blockhash)], finalized, self.pool.genesis)

    async def _follow(self, chain: Unfinalized, ahead: Ahead, finality: Finality) -> AsyncIterator[Delivery]:
        """Delivers blocks until one does not follow; then what must come next is in `_first`."""
        while True:
            block = await ahead.take(_IDLE_SECONDS)
            if (final := finality.take()) is not None and final.slot >= chain.base.slot:
                if not chain.holds(final.slot, final.blockhash):
                    async for delivery in self._change_branch(chain, final, Commitment.FINALIZED):
                        yield delivery
                    return
                chain.settle(final.slot)
                if block is None:
                    yield self._delivery(chain)
            if block is None:
                continue
            if not _follows(chain, block.link):
                async for delivery in self._change_branch(chain, block.link, self._commitment):
                    yield delivery
                return
            yield self._next(chain, block)

    async def _change_branch(self, chain: Unfinalized, link: Link, commitment: Commitment) -> AsyncIterator[Delivery]:
        """Retracts what the branch that ends in `link` leaves out, and notes its blocks as the next ones to fetch."""
        try:
            branch = await find_branch(self._node, chain, link, commitment)
        except Unsteady:
            self._unsteady += 1
            if self._unsteady < _UNSTEADY_TRIES:
                await asyncio.sleep(_UNSTEADY_SECONDS)
            else:
                yield self._jump(chain, link, "nodes tell of blocks here that they do not give")
        except Hole:
            yield self._jump(chain, link, "no node has these blocks any more")
        else:
            self._first = (*branch.slots, link.slot)
            if retracted := chain.rewind(branch.leaves):
                yield self._delivery(chain, retracted=retracted)

    def _jump(self, chain: Unfinalized, link: Link, why: str) -> Delivery:
        """Goes on at a block whose way from the tip cannot be had."""
        if link.parent_slot <= chain.tip.slot:
            raise SourceLost(f"nodes do not agree on the blocks before slot {link.slot}")
        missing = Gap(SlotRange(chain.tip.slot + 1, link.parent_slot), why)
        chain.rewind(Point(link.parent_slot, link.parent_hash))
        self._first = (link.slot,)
        self._unsteady = 0
        return self._delivery(chain, missing=(missing,))

    def _next(self, chain: Unfinalized, block: Block) -> Delivery:
        self._unsteady = 0
        slot, before = block.link.slot, chain.tip.slot
        chain.add(block.link)
        if self._commitment is Commitment.FINALIZED:
            chain.settle(slot)
        if block.missing is not None:
            return self._delivery(chain, missing=(Gap(SlotRange(before + 1, slot), block.missing),))
        return self._delivery(
            chain,
            transactions=block.transactions,
            complete=(SlotRange(before + 1, slot),),
            unreadable=tuple(Unreadable(f"block {slot}", why) for why in block.unreadable),
        )

    def _delivery(self, chain: Unfinalized, **parts: object) -> Delivery:
        """With what every delivery tells: where the chain stands, and how to go on after it."""
        tip = max(self.heads.tip, self.pool.tip, chain.tip.slot)
        return Delivery(state=chain.encode(), finalized_slot=chain.finalized, tip_slot=tip, **parts)  # type: ignore[arg-type]


def _follows(chain: Unfinalized, link: Link) -> bool:
    return (link.parent_slot, link.parent_hash) == tuple(chain.tip)
