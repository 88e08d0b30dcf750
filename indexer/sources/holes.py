"""Slots in which nobody listened to logs, filled by the signatures of our programs and a fetch of each."""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from app.domain.slots import Gap, SlotRange
from app.errors import SourceLost
from indexer.rpc.node import Node, Signed

_PAGE: Final = 1_000
_MOST_PAGES: Final = 10
"""Of a program, for one hole: at a free node's 5 requests a second the fetches take more than half an hour."""


@dataclass(slots=True, eq=False)
class Hole:
    """A range of slots and what of it is still to be fetched. What cannot be had stays missing: backfill has it."""

    gap: Gap
    left: set[str] = field(default_factory=set)
    is_listed: bool = False
    """Whether every signature is known."""
    has_failed: bool = False

    @property
    def slots(self) -> SlotRange:
        return self.gap.slots

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.has_failed or (self.is_listed and not self.left)


async def list_hole(
    node: Node, hole: Hole, programs: Iterable[str], turn: Callable[[], Awaitable[None]], want: Callable[[Signed], bool]
) -> None:
    """Wants every transaction of the hole; marks it listed, or failed where the node or the line does not allow it."""
    try:
        for program in programs:
            if not await _list_program(node, hole, program, turn, want):
                hole.has_failed = True
                return
        hole.is_listed = True
    except SourceLost:
        hole.has_failed = True


async def _list_program(
    node: Node, hole: Hole, program: str, turn: Callable[[], Awaitable[None]], want: Callable[[Signed], bool]
) -> bool:
    before: str | None = None
    for _ in range(_MOST_PAGES):
        await turn()
        page = await node.signatures(program, before)
        for each in page:
            if each.slot < hole.slots.first:
                return True
            is_inside = each.slot <= hole.slots.last and not each.failed and each.signature not in hole.left
            if is_inside and not want(each):
                return False
        if len(page) < _PAGE:
            return True
        before = page[-1].signature
    return False
