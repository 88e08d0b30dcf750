"""What retention has left, remembered for a moment: thousands of clients may come back with a cursor at once."""

import asyncio
import time
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from app.store.starts import read_oldest

_GOOD_SECONDS: Final = 10.0
"""Days are dropped once a day; whoever asks for one in the seconds after that may be told too late."""


class Kept:
    """The oldest sequence that a stream can resume after."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._oldest = 0
        self._read_at: float | None = None
        self._turn = asyncio.Lock()

    async def oldest(self) -> int:
        """Everything stored after it is still there; 0 where nothing was dropped. One read for all who wait."""
        async with self._turn:
            if self._read_at is None or time.monotonic() - self._read_at > _GOOD_SECONDS:
                self._oldest = await read_oldest(self._engine)
                self._read_at = time.monotonic()
            return self._oldest
