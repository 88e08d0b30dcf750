"""Stored records to one member, then its place in the group: one subscription, every record once, in feed order.

The seam holds because a group tells, in the same step in which a member joins, up to where everything has been handed
out: the store is read up to there and no further, and what the group sends meanwhile waits for the member.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Generic, TypeVar

from app.domain.streams import StreamPhase
from app.fanout.groups import Group
from app.fanout.members import Member
from app.fanout.payloads import Payload
from app.live.moment import Moment
from app.schema.plans import Circumstances, Event, Opening, Plan

R = TypeVar("R")
_AT_ONCE = 50
"""Records that are executed before the loop, and the client, get a turn."""
_WAIT_SECONDS = 0.05


class Replay(Generic[R]):
    """What one member gets before it is live."""

    def __init__(self, group: Group[R], plan: Plan[R], member: Member) -> None:
        self._group = group
        self._plan = plan
        self._member = member

    async def run(self) -> None:
        """Returns when the member is live, or has left. The plan's `after`, or its `opening`, says what comes first."""
        if self._plan.opening is not None:
            await self._open(self._plan.opening)
        elif self._plan.after is not None:
            await self._catch_up(self._plan.after)
        else:
            self._group.join(self._member)

    async def _open(self, opening: Opening[R]) -> None:
        """The present first: what the group sends while it is read comes after it, if it is newer."""
        while not self._member.is_over:
            self._group.join(self._member, is_replaying=True)
            async with self._group.turns.after:
                sequence, records = await opening()
            await self._send(records)
            if self._group.roster.release(self._member, partial(_is_newer, sequence, list(records))):
                return

    async def _catch_up(self, after: int) -> None:
        # Rare: another process is ahead of this one, or the cursor is of a record that waits for the group's next turn.
        while self._group.seam < after and not self._group.feed.is_closed:  # noqa: ASYNC110  # nobody tells when it moves
            await asyncio.sleep(_WAIT_SECONDS)
        await self._take_back(after)
        while not self._member.is_over:
            # However much is stored, it is read before joining: what comes meanwhile then waits in the store.
            after = await self._send_stored(after, self._group.seam, self._group.turns.before)
            seam = self._group.join(self._member, is_replaying=True)
            after = await self._send_stored(after, seam, self._group.turns.after)
            if self._group.roster.release(self._member, lambda payload: True):
                return

    async def _take_back(self, after: int) -> None:
        """What the client got before its cursor and has left the chain since."""
        if self._plan.read_withdrawn is None or after >= self._group.feed.sequence:
            return
        async with self._group.turns.before:
            left = await self._plan.read_withdrawn(after, self._group.feed.sequence)
        gone = [each for each in left if each.sequence <= after]
        moment = self._group.now()
        event = self._plan.packing.withdrawn(gone, self._plan.cursor_at(after) or "", _told(moment))
        if gone and event is not None:
            await self._send_events([event], moment)

    async def _send_stored(self, after: int, last: int, turn: asyncio.Semaphore) -> int:
        """Sends what is stored in (after, last]; `last`."""
        assert self._plan.read is not None
        while after < last:
            async with turn:
                page = await self._plan.read(after, last)
            await self._send(page)
            after = self._plan.sequence_of(page[-1]) if len(page) >= self._plan.page else last
        return last

    async def _send(self, records: Sequence[R]) -> None:
        at_once = max(self._plan.options.max_batch, _AT_ONCE)
        for first in range(0, len(records), at_once):
            moment = self._group.now()
            events = self._plan.packing.pack(records[first : first + at_once], _told(moment))
            await self._send_events(events, moment)

    async def _send_events(self, events: Sequence[Event], moment: Moment) -> None:
        payloads = await self._group.made(events, moment)
        await self._member.room()
        if not self._member.is_over:
            self._member.send(payloads)
        # A long backlog must not keep the loop to itself: most executions never wait for anything.
        await asyncio.sleep(0)


def _told(moment: Moment) -> Circumstances:
    return Circumstances(moment, StreamPhase.BACKFILL)


def _is_newer(sequence: int, records: Sequence[object], payload: Payload) -> bool:
    """Whether it says more than `records` did at `sequence`."""
    return payload.sequence > sequence or (payload.sequence == sequence and list(payload.records) != records)
