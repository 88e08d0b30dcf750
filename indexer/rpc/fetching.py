"""Whole transactions, fetched one by one within a rate: live losses first, then holes, then what teaches pools."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from enum import IntEnum
from typing import Final, NamedTuple

from app.domain.programs import Commitment
from app.errors import SourceLost
from indexer.rpc.node import Node
from indexer.transaction import Transaction

_WORKERS: Final = 8
_TRIES: Final = 5
_RETRY_SECONDS: Final = 1.0
"""A node may tell the logs of a transaction a moment before it hands it out."""


class Why(IntEnum):
    """What a transaction is fetched for; lower goes first."""

    LOSS = 0
    """Its logs do not tell all."""
    HOLE = 1
    """It happened while nobody listened."""
    POOL = 2
    """It says which mints a pool holds."""


_ROOM: Final = {Why.LOSS: 2_000, Why.HOLE: 30_000, Why.POOL: 1_000}


class Wanted(NamedTuple):
    signature: str
    slot: int
    why: Why


class Fetched(NamedTuple):
    """`transaction` is None where no node gave it, or it cannot be read."""

    wanted: Wanted
    transaction: Transaction | None


class Fetcher:
    """Fetches what is wanted, at most so many requests a second. A context."""

    def __init__(
        self, node: Node, commitment: Commitment, per_second: float, hand_over: Callable[[Fetched], Awaitable[None]]
    ) -> None:
        self._node = node
        self._hand_over = hand_over
        # Nodes hand out no transaction before it is confirmed.
        self._commitment = max(commitment, Commitment.CONFIRMED)
        self._pause = 1 / per_second
        self._next_at = 0.0
        self._waiting: dict[Why, deque[Wanted]] = {why: deque() for why in Why}
        self._under_way: set[Wanted] = set()
        self._more = asyncio.Event()
        self._workers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Fetcher":
        self._workers = [asyncio.create_task(self._work()) for _ in range(_WORKERS)]
        return self

    async def __aexit__(self, *raised: object) -> None:
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    def want(self, wanted: Wanted) -> bool:
        """Puts it in line; False when the line is full."""
        line = self._waiting[wanted.why]
        if len(line) >= _ROOM[wanted.why]:
            return False
        line.append(wanted)
        self._more.set()
        return True

    async def turn(self) -> None:
        """Waits until one more request is within the rate."""
        now = asyncio.get_running_loop().time()
        self._next_at = max(self._next_at, now) + self._pause
        await asyncio.sleep(self._next_at - self._pause - now)

    @property
    def waiting(self) -> int:
        """How many are in line or under way."""
        return sum(map(len, self._waiting.values())) + len(self._under_way)

    async def _work(self) -> None:
        while True:
            wanted = next((line.popleft() for line in self._waiting.values() if line), None)
            if wanted is None:
                self._more.clear()
                await self._more.wait()
                continue
            self._under_way.add(wanted)
            await self._hand_over(Fetched(wanted, await self._fetch(wanted)))
            self._under_way.discard(wanted)

    async def _fetch(self, wanted: Wanted) -> Transaction | None:
        for _ in range(_TRIES):
            await self.turn()
            try:
                parsed = await self._node.transaction(wanted.signature, self._commitment)
            except SourceLost:
                parsed = None
            if parsed is not None and parsed.unreadable:
                return None
            if parsed is not None and parsed.transactions:
                return parsed.transactions[0]
            await asyncio.sleep(_RETRY_SECONDS)
        return None
