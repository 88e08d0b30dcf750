"""Which block is final by now: asked in the background, so that no block waits for it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from app.domain.programs import Commitment
from app.errors import SourceLost
from indexer.rpc.ahead import LIST_SLOTS
from indexer.rpc.block import Link
from indexer.rpc.heads import Heads
from indexer.rpc.node import Node

FINALITY_SECONDS: Final = 2.0


class Finality:
    """Looks every few seconds for the newest final block up to `tip()`. A context."""

    def __init__(self, node: Node, heads: Heads, finalized: int, tip: Callable[[], int], every_seconds: float) -> None:
        self._node = node
        self._heads = heads
        self._finalized = finalized
        self._tip = tip
        self._every_seconds = every_seconds
        self._newest: Link | None = None

    async def __aenter__(self) -> "Finality":
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    def take(self) -> Link | None:
        """The newest final block, once."""
        newest, self._newest = self._newest, None
        return newest

    async def _run(self) -> None:
        while True:
            with suppress(SourceLost):  # whoever fetches blocks meets the same, and says it
                await self._look()
            await asyncio.sleep(self._every_seconds)

    async def _look(self) -> None:
        root = self._heads.root if self._heads.is_live and self._heads.root else None
        last = min(root or await self._node.slot(Commitment.FINALIZED), self._tip())
        if last <= self._finalized:
            return
        first = max(self._finalized + 1, last - LIST_SLOTS)
        slots = await self._node.slots(first, last, Commitment.FINALIZED)
        link = await self._node.link(slots[-1], Commitment.FINALIZED) if slots else None
        if link is not None:
            self._newest, self._finalized = link, link.slot
