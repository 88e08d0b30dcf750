"""What one subscription has waiting: bounded, and never in the way of anybody else."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):
    """The hub ended: the process is going down."""


class Overflow(Exception):
    """The subscriber took too long and records were let go; resume from the last one that it got."""


class Mailbox(Generic[T]):
    """Records in the order of the feed, at most `size` of them. One reader."""

    def __init__(self, size: int) -> None:
        self._records: deque[T] = deque()
        self._size = size
        self._arrived = asyncio.Event()
        self._end: type[Exception] | None = None

    def put(self, record: T) -> None:
        """Never waits. When the mailbox is full it ends: its reader gets what is there and then `Overflow`."""
        if self._end is not None:
            return
        if len(self._records) >= self._size:
            self._end = Overflow
        else:
            self._records.append(record)
        self._arrived.set()

    async def get(self) -> T:
        """The next record. Raises Overflow or Closed after the last one."""
        while not self._records:
            if self._end is not None:
                raise self._end
            self._arrived.clear()
            await self._arrived.wait()
        return self._records.popleft()

    def withdraw(self, is_gone: Callable[[T], bool]) -> None:
        """Lets go of records that the reader has not got yet."""
        if any(map(is_gone, self._records)):
            self._records = deque(record for record in self._records if not is_gone(record))

    def close(self) -> None:
        """Ends it: the reader gets what is there and then `Closed`."""
        self._end = self._end or Closed
        self._arrived.set()


class Latest(Mailbox[T]):
    """Keeps only the newest record: a reader that comes late gets the present, not the past."""

    def __init__(self) -> None:
        super().__init__(1)

    def put(self, record: T) -> None:
        self._records.clear()
        super().put(record)
