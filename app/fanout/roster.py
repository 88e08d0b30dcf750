"""The members of one group: who gets payloads now, who waits because its client does not read, who still replays."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from app.cancellation import heed
from app.domain.streams import Gap
from app.errors import Lagged
from app.execution.errors import format_exception
from app.fanout.backlog import Backlog
from app.fanout.members import Member, Road
from app.fanout.payloads import Payload

Remake = Callable[[Sequence[Any], Gap | None], Awaitable[Sequence[Payload]]]
"""Payloads for one member alone, of records with a gap before them."""


class Roster:
    """Implements `app.fanout.members.Seat`. Joining and leaving cost the same for any number of members."""

    def __init__(
        self, new_backlog: Callable[[], Backlog], remake: Remake, emptied: Callable[[], None], lagged: str
    ) -> None:
        self._new_backlog = new_backlog
        self._lagged = lagged
        self._remake = remake
        self._emptied = emptied
        self._roads: dict[Road, dict[Member, None]] = {}
        self._replaying: set[Member] = set()
        self._remaking: dict[Member, asyncio.Task[None]] = {}
        self._lagging: dict[Member, None] = {}

    def __len__(self) -> int:
        return sum(map(len, self._roads.values()))

    def join(self, member: Member, *, is_replaying: bool) -> None:
        """A member that replays gets nothing until `release`: what comes meanwhile waits."""
        self._roads.setdefault(member.road, {})[member] = None
        member.seat = self
        if is_replaying:
            self._replaying.add(member)
            member.backlog = self._new_backlog()

    def release(self, member: Member, is_new: Callable[[Payload], bool]) -> bool:
        """Ends a replay: sends what waited and `is_new`. False: the member is not here; too much waited, and it has to
        read on from where it joined."""
        if member not in self._replaying:
            return False
        self._replaying.discard(member)
        if member.backlog is not None:
            member.backlog.keep(is_new)
        if not member.is_full:
            self.catch_up(member)
        return True

    def leave(self, member: Member) -> None:
        """Nothing is sent to it any more."""
        members = self._roads.get(member.road, {})
        if member not in members:
            return
        del members[member]
        member.seat = member.backlog = None
        self._replaying.discard(member)
        self._lagging.pop(member, None)
        remaking = self._remaking.pop(member, None)
        if remaking is not None:
            remaking.cancel()
        if not members:
            del self._roads[member.road]
        if not self._roads:
            self._emptied()

    def deliver(self, payloads: Sequence[Payload]) -> None:
        """To every member; those that could not hold them any more are ended with LAGGED."""
        for road, members in self._roads.items():
            road.deliver(payloads, members)
        if self._lagging:
            for member in list(self._lagging):
                self._let_go(member)

    def hold(self, member: Member, payloads: Sequence[Payload]) -> None:
        """Into the member's backlog; where that is full the member goes once this delivery is over."""
        if member.backlog is None:
            member.backlog = self._new_backlog()
        if not all(map(member.backlog.add, payloads)):
            self._lagging[member] = None

    def catch_up(self, member: Member) -> None:
        """Sends what waited, as far as it can be sent at once."""
        if member.backlog is None or member in self._replaying or member in self._remaking:
            return
        caught = member.backlog.take()
        if caught.records:
            self._remaking[member] = asyncio.create_task(self._send_remade(member, caught.records, caught.gap))
            return
        member.backlog = None
        if caught.payloads:
            member.send(caught.payloads)

    def end(self, error: Exception | None) -> None:
        """Everybody's operation is over: complete, or by an error."""
        errors = None if error is None else [format_exception(error)]
        for member in [member for members in self._roads.values() for member in members]:
            self.leave(member)
            member.end(errors)

    async def _send_remade(self, member: Member, records: Sequence[Any], gap: Gap | None) -> None:
        """Of records that only this member gets like that; what comes meanwhile waits behind them."""
        try:
            payloads = await self._remake(records, gap)
        except Exception as error:
            heed()
            self.leave(member)
            member.end([format_exception(error)])
            return
        del self._remaking[member]
        member.send(payloads)
        if not member.is_full:
            self.catch_up(member)

    def _let_go(self, member: Member) -> None:
        is_replaying = member in self._replaying
        cursor = member.backlog.resume_from if member.backlog is not None else None
        self.leave(member)
        if not is_replaying:
            # One that replays reads on from the store instead.
            member.end([format_exception(Lagged(self._lagged, cursor))])
