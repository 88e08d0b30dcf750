"""How many connections of this process stay open, whatever their road, and how all of them are told of a restart."""

import asyncio
import random
from collections.abc import Collection, Sized
from typing import Final, Protocol

RETRY_SECONDS: Final = 2
"""After which those who could not come in may try again."""
_BATCH: Final = 100
_PAUSE_SECONDS: Final = 0.04
"""Between two batches: 2,500 clients a second come again elsewhere."""
_DRAIN_SECONDS: Final = 3.5


class Guest(Protocol):
    """A connection that stays open."""

    def on_restart(self) -> None:
        """The server is about to stop: end it."""


class Door:
    """There is room for `most` connections, WebSockets and streams together."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._rooms: list[Sized] = []

    def watch(self, room: Sized) -> None:
        """What is in `room` counts from now on."""
        self._rooms.append(room)

    @property
    def is_full(self) -> bool:
        return sum(map(len, self._rooms)) >= self.most


async def tell_of_restart(guests: Collection[Guest]) -> None:
    """Tells all of them, in batches and in no order, so that their clients do not come back all at once."""
    waiting = random.sample(list(guests), len(guests))
    pause = min(_PAUSE_SECONDS, _DRAIN_SECONDS * _BATCH / max(1, len(waiting)))
    for first in range(0, len(waiting), _BATCH):
        for guest in waiting[first : first + _BATCH]:
            guest.on_restart()
        await asyncio.sleep(random.uniform(0, 2 * pause))
