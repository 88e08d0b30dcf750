"""What both backends share: a bound on what broadcaster may hold, since its own queues have none."""

import asyncio
from abc import ABC, abstractmethod
from typing import Any, Final

from broadcaster import BroadcastBackend, Event

from app.domain.records import Batch

_WINDOW: Final = 64
"""Batches that may wait between a backend and the hub; what is behind them waits in Redis or in the bounded queue."""


class BatchBackend(BroadcastBackend, ABC):
    """A broadcaster backend whose messages are `Batch` objects and whose reader must say when it took one."""

    is_connected: bool = True

    def __init__(self) -> None:
        self._window = asyncio.Semaphore(_WINDOW)

    async def next_published(self) -> Event:
        await self._window.acquire()
        channel, batch = await self._next_batch()
        message: Any = batch  # broadcaster says str, and hands over whatever it gets
        return Event(channel, message)

    def taken(self) -> None:
        """The hub has taken one batch: another may come."""
        self._window.release()

    @abstractmethod
    async def publish(self, channel: str, message: Batch) -> None:
        """Sends a batch to whoever subscribed."""

    @abstractmethod
    async def last_sequence(self, channel: str) -> int | None:
        """Newest sequence that was published; None when there is none."""

    @abstractmethod
    async def _next_batch(self) -> tuple[str, Batch]:
        """The next batch of a subscribed channel; waits for it, and never raises for a lost connection."""
