"""How far back a stream can start: what retention has dropped cannot be replayed."""

import time
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from app.store.starts import read_oldest

_FRESH_SECONDS: Final = 30.0
"""Retention drops whole days: clients that all resume at once need not each look for what it left."""


class Retention:
    """One per process."""

    def __init__(self) -> None:
        self._oldest = 0
        self._read_at = -_FRESH_SECONDS

    async def oldest(self, engine: AsyncEngine) -> int:
        """The oldest sequence after which everything that was ever stored is still there."""
        if time.monotonic() - self._read_at >= _FRESH_SECONDS:
            # Taken before it is known: of many that ask at once one reads, the others take what was known before.
            self._read_at = time.monotonic()
            self._oldest = await read_oldest(engine)
        return self._oldest
