"""What a source is: a stream of `Delivery`, resumable from the state that the store keeps for it."""

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from app.domain.events import Rate
from indexer.transaction import Transaction


class Unreadable(msgspec.Struct, frozen=True, gc=False):
    """A piece of input that is not a transaction we know how to read: where it is and why."""

    where: str
    """File and line, or endpoint."""
    why: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a source hands over at once. It may be empty but for `state`."""

    transactions: tuple[Transaction, ...] = ()
    rates: tuple[Rate, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    state: bytes = b""
    """Resume token: a source opened with it goes on after this delivery."""
    finalized_slot: int | None = None


class Source(Protocol):
    """Where transactions come from."""

    name: str
    """Key of its checkpoint and what `Status` shows, as `simulate` or `replay`."""
    is_simulated: bool

    def stream(self, state: bytes | None) -> AsyncIterator[Delivery]:
        """Delivers from after `state` (None: from the start) until the source is exhausted or cancelled."""
        ...
