"""Blocks after a slot, in order, fetched ahead: several are under way while one is being taken."""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from app.domain.programs import Commitment
from indexer.rpc.block import Block
from indexer.rpc.heads import Heads
from indexer.rpc.node import Node
from indexer.rpc.patient import fetch_block

BLOCKS_AHEAD: Final = 8
"""Fetched or being fetched: some 64 MB of JSON at most."""
LIST_SLOTS: Final = 500


class Ahead:
    """Follows the list of blocks that nodes give, after `after`; a context.

    `first` are slots that are known to have a block, before the list goes on. What nodes list may lack a block or name
    one that vanishes: the blocks' own links tell the truth, and who takes them checks it.
    """

    def __init__(self, node: Node, heads: Heads, commitment: Commitment, after: int, first: Sequence[int] = ()) -> None:
        self._node = node
        self._heads = heads
        self._commitment = commitment
        self._listed = after
        self._first = first
        self._room = asyncio.Semaphore(BLOCKS_AHEAD)
        self._more = asyncio.Event()
        self._fetching: deque[asyncio.Task[Block | None]] = deque()

    async def __aenter__(self) -> "Ahead":
        self._listing = asyncio.create_task(self._list())
        self._listing.add_done_callback(lambda _: self._more.set())
        return self

    async def __aexit__(self, *raised: object) -> None:
        tasks = [self._listing, *self._fetching]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def take(self, seconds: float) -> Block | None:
        """The next block; None when there is none within the time, or a listed one is not there after all.

        Raises SourceLost when no node serves.
        """
        if not self._fetching:
            self._more.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._more.wait()
            if self._listing.done():
                self._listing.result()
            if not self._fetching:
                return None
        done, _ = await asyncio.wait({self._fetching[0]}, timeout=seconds)
        if not done:
            return None
        self._room.release()
        return self._fetching.popleft().result()

    async def _list(self) -> None:
        for slot in self._first:
            await self._want(slot)
        while True:
            last = self._listed + LIST_SLOTS
            slots = await self._node.slots(self._listed + 1, last, self._commitment)
            for slot in slots:
                await self._want(slot)
            if not slots and max(self._heads.tip, self._node.pool.tip) > last:
                # Nothing in so many slots: the node no longer has them, or the chain stood still.
                self._listed = max(last, await self._node.first_available() - 1)
            elif not slots:
                await self._heads.moved()

    async def _want(self, slot: int) -> None:
        await self._room.acquire()
        self._fetching.append(asyncio.create_task(fetch_block(self._node, slot, self._commitment)))
        self._listed = slot
        self._more.set()
