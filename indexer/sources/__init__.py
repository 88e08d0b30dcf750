"""What a source is: a stream of `Delivery`, resumable from the state that the store keeps for it."""

from collections.abc import AsyncIterator
from typing import Protocol, runtime_checkable

import msgspec

from app.domain.events import Rate
from app.domain.facts import TokenFacts
from app.domain.slots import Gap, SlotRange
from indexer.transaction import Transaction


class Unreadable(msgspec.Struct, frozen=True, gc=False):
    """A piece of input that is not a transaction we know how to read: where it is and why."""

    where: str
    """File and line, or endpoint."""
    why: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a source hands over at once. It may be empty but for `state`."""

    retracted: tuple[int, ...] = ()
    """Slots whose blocks left the chain. What was stored of them is withdrawn before `transactions` are stored."""
    transactions: tuple[Transaction, ...] = ()
    complete: tuple[SlotRange, ...] = ()
    """Slots of which everything that concerns us has now been handed over (skipped slots among them): gaps close."""
    missing: tuple[Gap, ...] = ()
    """Slots of which something is known to be missing, until a later delivery calls them complete."""
    rates: tuple[Rate, ...] = ()
    facts: tuple[TokenFacts, ...] = ()
    """What accounts tell of tokens that are stored; it fills what no event told."""
    unreadable: tuple[Unreadable, ...] = ()
    state: bytes = b""
    """Resume token: a source opened with it goes on after this delivery."""
    finalized_slot: int | None = None
    """Newest rooted slot: what is stored up to it cannot change any more."""
    tip_slot: int | None = None
    """The chain's own newest slot as the source knows it, for the lag."""


@runtime_checkable
class Source(Protocol):
    """Where transactions come from."""

    name: str
    """Key of its checkpoint and what `Status` shows, as `simulate` or `replay`."""
    is_simulated: bool

    def stream(self, state: bytes | None) -> AsyncIterator[Delivery]:
        """Delivers from after `state` (None: from the start) until the source is exhausted or cancelled."""
        ...


@runtime_checkable
class Tells(Protocol):
    """A source that knows how its parts are."""

    def components(self) -> list[tuple[str, str, str]]:
        """(name; OK, DEGRADED or DOWN; detail for people) of each part, without secrets."""
        ...
