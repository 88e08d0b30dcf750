"""All blocks of a range of slots that is final: fetched ahead, in order, each proven to follow the one before it."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from typing import Final, NamedTuple

from app.domain.programs import Commitment
from app.domain.slots import SlotRange
from app.errors import SourceLost
from indexer.rpc.ahead import BLOCKS_AHEAD, LIST_SLOTS
from indexer.rpc.block import Block, Link
from indexer.rpc.node import Node
from indexer.rpc.patient import fetch_block, fetch_link

_FINAL: Final = Commitment.FINALIZED


class Unproven(SourceLost):
    """Blocks that no node gives, or that do not follow each other; why, in words for people."""


class Proven(NamedTuple):
    """Slots of which the chain's own links tell everything."""

    slots: SlotRange
    block: Block | None
    """At the last of them, the others were skipped; None where all of them were."""


async def proven_blocks(node: Node, wanted: SlotRange) -> AsyncGenerator[Proven, None]:
    """The range, piece by piece, from its start to as far as the chain is final by now.

    Raises Unproven when a block cannot be had; SourceLost when no node serves.
    """
    fetching: deque[tuple[int, asyncio.Task[Block | Link]]] = deque()
    listed = _listed(node, wanted)
    before, expected = None, wanted.first
    try:
        while expected <= wanted.last:
            while len(fetching) < BLOCKS_AHEAD and (slot := await anext(listed, None)) is not None:
                fetching.append((slot, asyncio.create_task(_fetch(node, slot, is_whole=slot <= wanted.last))))
            if not fetching:
                return
            slot, task = fetching.popleft()
            found = await task
            _check(found.link if isinstance(found, Block) else found, before, wanted.first)
            yield Proven(SlotRange(expected, min(slot, wanted.last)), found if isinstance(found, Block) else None)
            before, expected = slot, slot + 1
    finally:
        for _, task in fetching:
            task.cancel()
        await asyncio.gather(*(task for _, task in fetching), return_exceptions=True)
        await listed.aclose()


async def _listed(node: Node, wanted: SlotRange) -> AsyncGenerator[int, None]:
    """Slots with a block, and the first one behind the range, whose link proves what the range's end holds."""
    at, final = wanted.first, await node.slot(_FINAL)
    while at <= final:
        for slot in await node.slots(at, at + LIST_SLOTS - 1, _FINAL):
            yield slot
            if slot > wanted.last:
                return
        at += LIST_SLOTS


async def _fetch(node: Node, slot: int, *, is_whole: bool) -> Block | Link:
    found = await (fetch_block(node, slot, _FINAL) if is_whole else fetch_link(node, slot, _FINAL))
    if found is None:
        raise Unproven("no node has these blocks any more")
    if isinstance(found, Block) and found.missing is not None:
        raise Unproven(found.missing)
    return found


def _check(link: Link, before: int | None, first: int) -> None:
    if link.parent_slot != before and (before is not None or link.parent_slot >= first):
        raise Unproven("nodes leave out blocks that others follow")
