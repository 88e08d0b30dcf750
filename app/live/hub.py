"""One reader of the bus per process: hands each record to the subscribers it concerns, and mends holes from Postgres.

The bus may lose, repeat or reorder after faults (trim, restart, FLUSHALL, a publisher that failed). The sequence tells:
a batch that does not follow the last one shows a hole, and the feed row in Postgres shows a lost tail. Whatever is
missing is read from Postgres before anything newer is delivered: subscribers see every record once, in feed order.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncEngine

from app.bus.feed import Bus
from app.cancellation import heed
from app.domain.events import Rate
from app.domain.programs import Commitment
from app.domain.records import Batch, Head
from app.live.feeds import MOST_WAITING, Feed
from app.live.kept import Kept
from app.live.keys import TokenState, state_router
from app.live.latency import Latencies
from app.live.levels import Feeds
from app.live.moment import Moment
from app.store.engine import is_lost
from app.store.feed import read_batch, read_head, read_newest_rates

log = logging.getLogger(__name__)

_WATCH_SECONDS = 0.5
"""How often the bus is compared with Postgres; a lost tail is delivered within two rounds."""


class Listener(Protocol):
    """Told every batch, for what no feed says: which parts of the store changed, and how far the chain has come."""

    def take(self, batch: Batch, after: int) -> None:
        """In the step in which it is delivered; what has a sequence up to `after` came before. It must not wait."""

    def close(self) -> None:
        """Nothing comes any more: the process is going down."""


class Hub:
    """`sequence` is the newest that its feeds have been given: all of it is in Postgres too."""

    def __init__(self, engine: AsyncEngine, bus: Bus, most_waiting: int = MOST_WAITING) -> None:
        self.engine = engine
        self.bus = bus
        self.sequence = 0
        self.head: Head | None = None
        self.rates: dict[str, Rate] = {}
        self.states = state_router()
        """States of tokens as they are stored, of every commitment."""
        self.latencies = Latencies()
        self.repairs = 0
        self.is_store_reachable = True
        self._stored_before, self._sequence_before = 0, -1
        self._turn = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._feeds = Feeds(engine, most_waiting)
        self._kept = Kept(engine)
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """From the next batch on, as long as the hub lives."""
        self._listeners.append(listener)

    def feed(self, commitment: Commitment) -> Feed:
        """The feed of a commitment. Raises Unavailable for one that is not open: FINALIZED lives only between `open`
        and `release`, and one that fell too far behind is read again from the store."""
        return self._feeds.get(commitment)

    async def open(self, commitment: Commitment) -> Feed:
        """The feed of a commitment, filled from the store where nobody used it; `release` it once.

        Raises Unavailable where more is waiting to become certain than is held back.
        """
        return await self._feeds.use(commitment, lambda: self.sequence)

    def release(self, feed: Feed) -> None:
        """A feed that `open` gave is used no more by one of its users."""
        self._feeds.release(feed)

    async def oldest(self) -> int:
        """The oldest sequence that a stream can resume after: everything stored after it is still there. 0 where
        retention has dropped nothing."""
        return await self._kept.oldest()

    @asynccontextmanager
    async def using(self, commitment: Commitment) -> AsyncIterator[Feed]:
        """`open`, and `release` at the end of the context."""
        feed = await self.open(commitment)
        try:
            yield feed
        finally:
            self.release(feed)

    @property
    def is_running(self) -> bool:
        """Whether both of its tasks are at work."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    async def start(self) -> None:
        """Starts at the newest committed sequence: what comes after it is delivered."""
        self.head = await read_head(self.engine)
        if self.head is not None:
            self.sequence = self.head.sequence
            self._learn(await read_newest_rates(self.engine, self.head.point.time))
        await self._feeds.start(self.sequence, self.head, self.rates)
        self._tasks = [asyncio.create_task(self._read_bus()), asyncio.create_task(self._watch())]

    async def stop(self) -> None:
        """Ends the reader and every subscriber."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._feeds.close()
        self.states.close()
        for listener in self._listeners:
            listener.close()

    async def _read_bus(self) -> None:
        async for batch in self.bus.batches():
            try:
                async with self._turn:
                    await self._take(batch)
            except Exception:  # the one reader must not die of one batch: what it held is found missing, and read again
                heed()
                log.exception("hub: a batch could not be delivered")

    async def _take(self, batch: Batch) -> None:
        if batch.previous_sequence > self.sequence:
            await self._repair(batch.previous_sequence)
        has_no_records = batch.first_sequence > batch.last_sequence
        if batch.last_sequence > self.sequence or (has_no_records and batch.last_sequence == self.sequence):
            self._deliver(batch)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            delivered = self.sequence
            try:
                head = await read_head(self.engine)
                await self._compare(delivered, head.sequence if head else 0)
                await self._feeds.reopen(lambda: self.sequence)
            except Exception as error:
                heed()
                self._store_failed(error)
            else:
                self.is_store_reachable = True

    async def _compare(self, delivered: int, stored: int) -> None:
        """`delivered` was taken before `stored` was read, so it can only be the larger if the store went back."""
        async with self._turn:
            if stored < delivered:
                log.warning("hub: the store went back; following it from there", extra={"sequence": stored})
                self.sequence = stored
                self._feeds.rewind(stored)
            elif self.sequence == self._sequence_before and self.sequence < self._stored_before:
                # Stored a round ago and nothing has come by the bus since: it will not come.
                await self._repair(self._stored_before)
            self._stored_before, self._sequence_before = stored, self.sequence

    async def _repair(self, until: int) -> None:
        """Delivers what Postgres holds up to `until` at least; waits for Postgres as long as it takes."""
        self.repairs += 1
        log.warning("hub: hole in the bus, reading it from the store", extra={"after": self.sequence, "until": until})
        while self.sequence < until:
            try:
                batch = await read_batch(self.engine, self.sequence)
            except Exception as error:
                heed()
                if not is_lost(error):
                    raise
                self._store_failed(error)
                await asyncio.sleep(_WATCH_SECONDS)
                continue
            self.is_store_reachable = True
            if batch is None:
                return
            self._deliver(batch)

    def _store_failed(self, error: Exception) -> None:
        if not is_lost(error):
            log.exception("hub: the feed cannot be read", exc_info=error)
        elif self.is_store_reachable:
            log.warning("hub: Postgres cannot be read; trying again until it is back", extra={"cause": repr(error)})
        self.is_store_reachable = False

    def _deliver(self, batch: Batch) -> None:
        """Synchronous on purpose: nobody can join between a record and the sequence that says it was delivered."""
        self._learn(batch.rates)
        self._feeds.take(batch, self.rates)
        self._tell_states(batch)
        after, self.sequence = self.sequence, max(self.sequence, batch.last_sequence)
        self.head = batch.head
        for listener in self._listeners:
            listener.take(batch, after)
        if batch.trades:
            self.latencies.add((time.time() - batch.trades[0].block_time) * 1_000)

    def _learn(self, rates: Iterable[Rate]) -> None:
        fresh = {rate.quote_mint: rate for rate in rates}
        if fresh:
            # A new mapping: moments that were handed out keep theirs.
            self.rates = {**self.rates, **fresh}

    def _tell_states(self, batch: Batch) -> None:
        # Of a repaired batch the states are those of its head, newer than its records.
        as_of = max(batch.last_sequence, batch.head.sequence)
        tokens = {token.mint: token for token in batch.tokens}
        moment = Moment(batch.last_sequence, batch.head, self.rates, tokens)
        self.states.send([TokenState(as_of, token) for token in batch.tokens], moment)
