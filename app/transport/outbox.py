"""What all wires of a process share: above all the turn of the loop, at whose end joined writes go out."""

import asyncio
from typing import Final, Protocol

from app.metrics import Count
from app.transport.watch import Watch

KEEPALIVE_SECONDS: Final = 20.0


class Queued(Protocol):
    """A wire with something that is pending."""

    def flush(self) -> None: ...


class Outbox:
    """One per process: the turn, the limit of a message in bytes, the watch, and how often sockets were closed."""

    def __init__(self, max_message_bytes: int, closes: Count, keepalive: float = KEEPALIVE_SECONDS) -> None:
        self.max_message_bytes = max_message_bytes
        self.closes = closes
        self.watch = Watch(keepalive)
        self.turn = 0
        """Differs from turn to turn in which something is written."""
        self.queued: list[Queued] = []
        """Wires with something that is pending until the turn ends."""
        self._is_begun = False

    def begin(self) -> int:
        """To be called before something is written; the turn."""
        if not self._is_begun:
            self._is_begun = True
            asyncio.get_running_loop().call_soon(self._end)
        return self.turn

    def _end(self) -> None:
        self._is_begun = False
        self.turn += 1
        wires, self.queued = self.queued, []
        for wire in wires:
            wire.flush()
