"""The bus inside one process (`memory://`): a bounded queue of batches, handed over as they are."""

import asyncio
from collections import deque

from app.bus.backend import BatchBackend
from app.domain.records import Batch


class MemoryBackend(BatchBackend):
    """Keeps the newest `max_batches`; a reader that falls further behind reads the rest from Postgres."""

    def __init__(self, max_batches: int) -> None:
        super().__init__()
        self._waiting: deque[tuple[str, Batch]] = deque(maxlen=max_batches)
        self._arrived = asyncio.Event()
        self._subscribed: set[str] = set()
        self._last_sequence: int | None = None

    async def connect(self) -> None:
        """Nothing to open."""

    async def disconnect(self) -> None:
        self._waiting.clear()

    async def subscribe(self, channel: str) -> None:
        self._subscribed.add(channel)

    async def unsubscribe(self, channel: str) -> None:
        self._subscribed.discard(channel)

    async def publish(self, channel: str, message: Batch) -> None:
        self._last_sequence = message.last_sequence
        if channel in self._subscribed:
            self._waiting.append((channel, message))
            self._arrived.set()

    async def _next_batch(self) -> tuple[str, Batch]:
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        return self._waiting.popleft()

    async def last_sequence(self, channel: str) -> int | None:
        return self._last_sequence
