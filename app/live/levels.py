"""The feeds of one process, one a commitment, and how each is filled from the store when it comes to be."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.events import Rate
from app.domain.programs import Commitment
from app.domain.records import Batch, Head
from app.errors import Unavailable
from app.live.feeds import Feed
from app.store.feed import read_batch, read_certain_sequence

log = logging.getLogger(__name__)

_STANDING: Final = (Commitment.PROCESSED, Commitment.CONFIRMED)
"""Feeds that are always there. The FINALIZED one holds back seconds of records, so it lives only while it is used."""


class Feeds:
    """PROCESSED is where the hub is; the others follow as records become certain."""

    def __init__(self, engine: AsyncEngine, most_waiting: int) -> None:
        self._engine = engine
        self._most_waiting = most_waiting
        self._head: Head | None = None
        self._rates: Mapping[str, Rate] = {}
        self._open = {commitment: self._new(commitment, 0) for commitment in _STANDING}
        self._refused: set[Commitment] = set()
        self._turn = asyncio.Lock()

    async def start(self, sequence: int, head: Head | None, rates: Mapping[str, Rate]) -> None:
        """Begins at what the store holds; what of it is not confirmed yet is held back."""
        self._head, self._rates = head, rates
        self._open = {Commitment.PROCESSED: self._new(Commitment.PROCESSED, sequence)}
        await self.reopen(lambda: sequence)

    def get(self, commitment: Commitment) -> Feed:
        """Raises Unavailable for a feed that is not open."""
        feed = self._open.get(commitment)
        if feed is None or feed.is_closed:
            raise Unavailable(f"The feed of {commitment.name} records is not ready; try again in a second.")
        return feed

    async def use(self, commitment: Commitment, delivered: Callable[[], int]) -> Feed:
        """The feed, opened where it is not; one more user of it. `delivered` is the hub's sequence now."""
        async with self._turn:
            feed = self._open.get(commitment)
            if feed is None or feed.is_closed:
                feed = await self._fill(commitment, delivered)
            feed.users += 1
            return feed

    def release(self, feed: Feed) -> None:
        feed.users -= 1
        if not feed.users and feed.commitment not in _STANDING and self._open.get(feed.commitment) is feed:
            del self._open[feed.commitment]

    async def reopen(self, delivered: Callable[[], int]) -> None:
        """Opens again what had to be closed, where less is waiting by now."""
        for commitment in _STANDING:
            if (feed := self._open.get(commitment)) is not None and not feed.is_closed:
                continue
            async with self._turn:
                try:
                    await self._fill(commitment, delivered)
                except Unavailable as error:
                    if commitment not in self._refused:
                        log.warning("hub: a feed cannot be opened; trying on", extra={"cause": str(error)})
                    self._refused.add(commitment)
                else:
                    self._refused.discard(commitment)

    def take(self, batch: Batch, rates: Mapping[str, Rate]) -> None:
        self._head, self._rates = batch.head, rates
        for feed in list(self._open.values()):
            feed.take(batch, rates)

    def rewind(self, sequence: int) -> None:
        """The store went back."""
        for feed in list(self._open.values()):
            feed.rewind(sequence)

    def close(self) -> None:
        for feed in list(self._open.values()):
            feed.close()

    async def _fill(self, commitment: Commitment, delivered: Callable[[], int]) -> Feed:
        """A feed that begins where all is certain, with everything after it that the hub has delivered.

        It takes part in the same step in which it is found to have caught up: no batch comes between.
        """
        feed = self._new(commitment, await read_certain_sequence(self._engine, commitment))
        while feed.taken < delivered():
            batch = await read_batch(self._engine, feed.taken)
            if batch is None:
                break
            feed.take(batch, self._rates)
            if feed.is_closed:
                raise Unavailable(
                    f"More than {self._most_waiting:,} stored records are not {commitment.name} yet; try again later, "
                    "or ask for a lower commitment."
                )
        self._open[commitment] = feed
        return feed

    def _new(self, commitment: Commitment, sequence: int) -> Feed:
        return Feed(commitment, sequence, self._head, self._rates, self._most_waiting)
