"""What a group of equal subscriptions and the transports know of each other.

A group makes each payload once and hands it to its members by `Road`: those of one road frame it in the same way, so
that also the frame is made once. What a member cannot take, because its client does not read, waits in its backlog.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Protocol

from app.fanout.backlog import Backlog
from app.fanout.payloads import Payload


class Road(Hashable, Protocol):
    """A way to the clients. Members of equal roads get equal frames, but for what each member adds itself."""

    def deliver(self, payloads: Sequence[Payload], members: Iterable[Any]) -> None:
        """Hands the payloads, in order, to each of `members`, which are of this road; `hold` to one that waits
        (`is_waiting`) or is full. Never waits, never raises."""


class Seat(Protocol):
    """A member's place in a group."""

    def hold(self, member: "Member", payloads: Sequence[Payload]) -> None:
        """Into the member's backlog; ends the member where its policy says so."""

    def catch_up(self, member: "Member") -> None:
        """Sends what waited."""

    def leave(self, member: "Member") -> None:
        """Nothing is sent to it any more. Twice is once."""


class Member(ABC):
    """One client's subscription. Each transport has its own kind and gives it to `Fanout.subscribe`."""

    __slots__ = ("_room", "backlog", "begins_after", "is_over", "seat")
    road: Road

    def __init__(self) -> None:
        self.seat: Seat | None = None
        self.backlog: Backlog | None = None
        self.begins_after: str | None = None
        """Resume point before its first payload, where nothing stored comes first and the field has one."""
        self.is_over = False
        """Whether the client has ended the operation, or is gone."""
        self._room: asyncio.Event | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether payloads wait before those that come now."""
        return self.backlog is not None

    @property
    @abstractmethod
    def is_full(self) -> bool:
        """Whether its client has more unread than it should. The transport calls `has_room` when that has ended."""

    @abstractmethod
    def send(self, payloads: Sequence[Payload]) -> None:
        """Hands payloads to this member alone, full or not: who calls has looked. Never waits."""

    @abstractmethod
    def end(self, errors: Sequence[dict[str, Any]] | None) -> None:
        """The operation is over: complete (None), or ended by errors as a response shows them. Called once, last."""

    def hold(self, payloads: Sequence[Payload]) -> None:
        """For its road: keeps payloads until there is room."""
        if self.seat is not None:
            self.seat.hold(self, payloads)

    def has_room(self) -> None:
        """For its transport: the client has read, `is_full` is False again."""
        if self._room is not None:
            self._room.set()
        if self.seat is not None and self.backlog is not None:
            self.seat.catch_up(self)

    def leave(self) -> None:
        """For its transport: the client has ended the operation, or is gone."""
        self.is_over = True
        if self.seat is not None:
            self.seat.leave(self)

    async def room(self) -> None:
        """Waits until it is not full."""
        while self.is_full:
            self._room = asyncio.Event()
            await self._room.wait()
        self._room = None
