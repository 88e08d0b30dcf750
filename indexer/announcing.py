"""From the store to the bus: every committed batch, in order; after any trouble, from where the bus ends."""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from app.cancellation import heed
from app.domain.records import Batch
from app.store.feed import read_batch

_LOG = logging.getLogger(__name__)
_WAITING_BATCHES = 64
_LONGEST_WAIT_SECONDS = 5.0


class Announcer(Protocol):
    """The publishing end of the bus (`app.bus.Bus`)."""

    async def publish(self, batch: Batch) -> None: ...

    async def last_sequence(self) -> int | None:
        """Where the bus ends; None when it holds nothing."""
        ...


class Announcing:
    """Publishes beside the writing, so that a slow or lost bus never holds up ingestion: Postgres is the truth.

    A batch is published as it was committed when it follows what the bus has; else what lies between is read back from
    Postgres. Delivery is at least once and in order; readers know a sequence that they have seen.
    """

    def __init__(self, announcer: Announcer, engine: AsyncEngine, newest: Callable[[], int]) -> None:
        self._announcer = announcer
        self._engine = engine
        self._newest = newest
        self._waiting: asyncio.Queue[Batch] = asyncio.Queue(_WAITING_BATCHES)
        self._announced: int | None = None
        self._is_caught_up = asyncio.Event()

    def offer(self, batch: Batch) -> None:
        """Hands over a committed batch; never waits. What finds no room is read from Postgres later."""
        self._is_caught_up.clear()
        if not self._waiting.full():
            self._waiting.put_nowait(batch)

    async def caught_up(self) -> None:
        """Returns when the bus has everything that was offered."""
        await self._is_caught_up.wait()

    async def run(self) -> None:
        """Publishes until cancelled; when the bus is lost, tries again and asks it where it ends."""
        wait = 0.05
        while True:
            try:
                await self._run()
            except Exception as error:
                heed()
                _LOG.warning("the bus is away", extra={"cause": type(error).__name__, "wait_seconds": wait})
                self._announced = None
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT_SECONDS)

    async def _run(self) -> None:
        if self._announced is None:
            self._announced = await self._where_the_bus_ends()
        await self._catch_up()
        while True:
            if self._waiting.empty():
                self._is_caught_up.set()
            batch = await self._waiting.get()
            if batch.last_sequence < self._announced:
                continue
            if batch.previous_sequence != self._announced:
                await self._catch_up()
                continue
            await self._announcer.publish(batch)
            self._announced = batch.last_sequence

    async def _where_the_bus_ends(self) -> int:
        """An empty bus begins at the newest sequence: its readers take what came before from Postgres. One that is
        ahead served a database that has since been put back: it goes on from there."""
        last = await self._announcer.last_sequence()
        return self._newest() if last is None else min(last, self._newest())

    async def _catch_up(self) -> None:
        assert self._announced is not None
        while self._announced < self._newest():
            batch = await read_batch(self._engine, self._announced)
            if batch is None:
                return
            await self._announcer.publish(batch)
            self._announced = batch.last_sequence
