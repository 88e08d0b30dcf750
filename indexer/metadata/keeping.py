"""Fetches the documents of new tokens beside everything else, and keeps what they say."""

import asyncio
import logging
import time
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from app.store.engine import persist
from app.store.metadata import Wanted, due_again, keep, never_tried, note_failure
from indexer.metadata.document import read_document
from indexer.metadata.fetching import Fetcher
from indexer.metadata.public import Refused

_LOG = logging.getLogger(__name__)
_AT_ONCE: Final = 16
_LOOK_SECONDS: Final = 2.0
_LOOK_BACK_SECONDS: Final = 600.0
"""How often old tokens are looked through: accounts may have told their URI later."""


class MetadataKeeper:
    """Runs until cancelled. Newest tokens come first; one that cannot be had is tried again after longer and longer
    pauses, five times in all."""

    def __init__(self, engine: AsyncEngine, fetcher: Fetcher, *, look_seconds: float = _LOOK_SECONDS) -> None:
        self._engine = engine
        self._fetcher = fetcher
        self._look_seconds = look_seconds
        self._above = 0
        """Ids up to this one have all been tried."""
        self._looked_back_at = time.monotonic()

    async def run(self) -> None:
        while True:
            wanted = await persist(self._wanted)
            await asyncio.gather(*(self._fetch(each) for each in wanted))
            if not wanted:
                await asyncio.sleep(self._look_seconds)

    async def _wanted(self) -> list[Wanted]:
        if time.monotonic() - self._looked_back_at > _LOOK_BACK_SECONDS:
            self._above, self._looked_back_at = 0, time.monotonic()
        new = await never_tried(self._engine, self._above, _AT_ONCE)
        if not new:
            return await due_again(self._engine, _AT_ONCE)
        if len(new) < _AT_ONCE:
            self._above = max(each.token_id for each in new)
        return new

    async def _fetch(self, wanted: Wanted) -> None:
        try:
            found = read_document(await self._fetcher.fetch(wanted.uri))
        except Refused as error:
            why = str(error)
            _LOG.debug("metadata cannot be had", extra={"token": wanted.token_id, "cause": why})
            await persist(lambda: note_failure(self._engine, wanted, why))
        else:
            await persist(lambda: keep(self._engine, wanted, found))
