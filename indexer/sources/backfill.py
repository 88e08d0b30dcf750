"""The source `backfill`: reads the slots that are known to be missing, from nodes, beside whatever else runs."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Final

from app.domain.programs import Commitment
from app.domain.slots import Gap, OpenGap, SlotRange
from indexer.rpc.node import Node
from indexer.rpc.pool import Pool
from indexer.rpc.span import Proven, Unproven, proven_blocks
from indexer.sources import Delivery, Unreadable

_LOOK_SECONDS: Final = 2.0
_MARGIN_SLOTS: Final = 32
"""Below the newest final slot: whoever follows the chain has noticed by then what a fork took away."""
_REST_SECONDS: Final = 300.0
"""How long a range is left alone that no node gives."""


class BackfillSource:
    """Fills gaps once their slots are final, oldest first. Its state is the list of gaps itself: what is filled is
    closed with the batch that stores it, so that it goes on anywhere, after anything.

    Raises SourceLost when no node serves.
    """

    name = "backfill"
    is_simulated = False

    def __init__(
        self,
        pool: Pool,
        gaps: Callable[[], Awaitable[Sequence[OpenGap]]],
        *,
        look_seconds: float = _LOOK_SECONDS,
        rest_seconds: float = _REST_SECONDS,
        until_filled: bool = False,
    ) -> None:
        self._pool = pool
        self._node = Node(pool)
        self._gaps = gaps
        self._look_seconds = look_seconds
        self._rest_seconds = rest_seconds
        self._until_filled = until_filled
        self._rests: dict[int, float] = {}
        """By first slot: `time.monotonic()` until which a range is left alone."""

    async def stream(self, state: bytes | None) -> AsyncIterator[Delivery]:
        """A delivery for each block of a gap, and skipped slots with the block that proves them. Ends when there is no
        gap left that can be filled, if it was told to."""
        async with self._pool:
            while True:
                gaps = await self._gaps()
                final = await self._node.slot(Commitment.FINALIZED) - _MARGIN_SLOTS
                found = [each for each in gaps if each.slots.first <= final and not self._rests_now(each)]
                if not found and self._until_filled:
                    return
                for gap in found:
                    async for delivery in self._fill(SlotRange(gap.slots.first, min(gap.slots.last, final))):
                        yield delivery
                await asyncio.sleep(self._look_seconds)

    async def _fill(self, slots: SlotRange) -> AsyncIterator[Delivery]:
        reached = slots.first
        try:
            async with aclosing(proven_blocks(self._node, slots)) as pieces:
                async for piece in pieces:
                    yield _delivery(piece)
                    reached = piece.slots.last + 1
        except Unproven as error:
            self._rests[reached] = time.monotonic() + self._rest_seconds
            yield Delivery(missing=(Gap(SlotRange(reached, slots.last), str(error)),))

    def _rests_now(self, gap: OpenGap) -> bool:
        return self._rests.get(gap.slots.first, 0.0) > time.monotonic()


def _delivery(piece: Proven) -> Delivery:
    block = piece.block
    return Delivery(
        transactions=block.transactions if block else (),
        unreadable=tuple(Unreadable(f"block {piece.slots.last}", why) for why in block.unreadable) if block else (),
        complete=(piece.slots,),
    )
