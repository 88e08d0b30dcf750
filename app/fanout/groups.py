"""Equal subscriptions as one: each event is packed, executed and encoded once, and handed to all members.

A group subscribes to one router of the live hub and lives as long as it has members. What it does, it does inside the
hub's turn: it never waits, and one member's trouble is no other's.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from app.domain.records import Withdrawn
from app.domain.streams import Gap, StreamPhase
from app.errors import Lagged, Unavailable
from app.execution.operations import Responder
from app.fanout.backlog import backlog_of
from app.fanout.executions import Executions, to_payload
from app.fanout.members import Member
from app.fanout.payloads import Payload
from app.fanout.pending import Pending
from app.fanout.roster import Roster
from app.fanout.sent import Sent
from app.live.feeds import Feed
from app.live.moment import Moment
from app.schema.plans import Circumstances, Event, Plan

log = logging.getLogger(__name__)
R = TypeVar("R")
Key: TypeAlias = tuple[str, str | None, bytes]
"""Document, operation name and variables: what makes subscriptions equal."""
_SHORTEST: Final = 0.05
"""Seconds between two looks for quiet, at least."""
_TOO_SLOW: Final = (
    "More than {limit:,} records were waiting for their turn and the subscription was ended. Resume after "
    "`extensions.cursor`, with a larger `maxBatch`, a shorter `intervalMs`, or another `overflow`."
)
_ENDED: Final = "The stream ended on the server's side. Subscribe again after the last cursor."


class Turns:
    """Reads of the store that may run at a time."""

    def __init__(self, at_once: int) -> None:
        self.before = asyncio.Semaphore(at_once)
        """Of members that have not joined: they may wait long."""
        self.after = asyncio.Semaphore(at_once)
        """Of members that have: what comes meanwhile fills their backlogs."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all groups of a process share."""

    context_of: Callable[[Moment], Any]
    """Context of a step's executions: the same for all groups, so that what they read is read once."""
    now: Callable[[Feed], Moment]
    """A step without records."""
    limit: int
    """Records that may wait for one member, or for one group's next turn."""
    turns: Turns
    """Of the replays: when thousands resume at once, they leave connections to others."""


class Group(Generic[R]):
    """Implements `app.live.routing.Subscriber`. `ended` is called when the last member has left."""

    def __init__(
        self,
        plan: Plan[R],
        feed: Feed,
        responder: Responder,
        around: Surroundings,
        ended: "Callable[[Group[R]], None]",
    ) -> None:
        self.plan = plan
        self.feed = feed
        self.users = 0
        """Subscriptions that are on their way to it; with members and users gone it is forgotten."""
        self.is_forgotten = False
        self.keys: set[Key] = set()
        """Requests by which it is found."""
        self._responder = responder
        self._around = around
        self._ended = ended
        self._router = plan.router(feed)
        self.roster = Roster(
            lambda: backlog_of(plan.options.overflow, around.limit, plan.key_of),
            self._remade,
            self._stop,
            f"More than {around.limit:,} records were waiting and the subscription was ended. "
            "Resume after `extensions.cursor`.",
        )
        self._pending: Pending[R] = Pending(plan, around.limit)
        self._executions = Executions(
            responder, tells_cursor=plan.packing.has_cursor_extension, deliver=self._deliver, fail=self._fail
        )
        self._loop = asyncio.get_running_loop()
        self._sent = Sent(plan.sequence_of) if plan.read_withdrawn is not None else None
        self._moment = around.now(feed)
        self._cursor = plan.cursor_at(feed.sequence)
        self._is_timed = bool(plan.options.interval_seconds or plan.options.heartbeat_seconds)
        self._sent_at = self._loop.time() - plan.options.interval_seconds
        self._turn: asyncio.TimerHandle | None = None
        self._heart: asyncio.TimerHandle | None = None
        self._is_running = False

    @property
    def seam(self) -> int:
        """Everything up to here has been handed to members: who joins now gets exactly what comes after it."""
        oldest = self._executions.oldest
        if oldest is not None and oldest.records:
            return self.plan.sequence_of(oldest.records[0]) - 1  # type: ignore[arg-type]  # they are of R
        if self._pending.first_sequence is not None:
            return self._pending.first_sequence - 1
        return self.feed.sequence

    def join(self, member: Member, *, is_replaying: bool = False) -> int:
        """The seam. A member that replays gets nothing before `roster.release`. Raises Unavailable: its feed ended."""
        if self.feed.is_closed:
            raise Unavailable(_ENDED)
        if not self._is_running:
            self._is_running = True
            self._pending = Pending(self.plan, self._around.limit)
            self._cursor = self.plan.cursor_at(self.feed.sequence)
            self._router.join(self, self.plan.condition)
            self._beat()
        self.roster.join(member, is_replaying=is_replaying)
        if not is_replaying:
            member.begins_after = self.plan.cursor_at(self.seam)
        return self.seam

    # ------------------------------------------------------------ subscriber of the hub

    def take(self, records: Sequence[R], moment: Moment) -> None:
        self._moment = moment
        try:
            if not self.plan.options.interval_seconds:
                self._emit(records, None)
            elif self._pending.add(records):
                self._await_turn()
            else:
                self._lag()
        except Exception as error:
            log.exception("a group failed")
            self._fail(error)

    def withdraw(self, gone: Sequence[Withdrawn], moment: Moment) -> None:
        self._moment = moment
        self._pending.withdraw({each.sequence for each in gone})
        told = [] if self._sent is None else [each for each in gone if each.sequence in self._sent]
        if told:
            self._run_one(self.plan.packing.withdrawn(told, self._cursor or "", self._told(None)))

    def close(self) -> None:
        self.roster.end(Unavailable(_ENDED))

    # ------------------------------------------------------------ turns

    def _await_turn(self) -> None:
        if self._turn is not None:
            return
        due = self._sent_at + self.plan.options.interval_seconds
        if self._loop.time() >= due:
            self._take_turn()
        else:
            self._turn = self._loop.call_at(due, self._take_turn)

    def _take_turn(self) -> None:
        self._turn = None
        self._sent_at = self._loop.time()
        records = self._pending.take(self.plan.options.max_batch)
        if not records:  # all of them left the chain meanwhile
            return
        dropped, merged = self._pending.dropped, self._pending.merged
        self._pending.dropped = self._pending.merged = 0
        self._emit(records, Gap(dropped, merged, self._cursor or "") if dropped or merged else None)
        if self._pending:
            self._await_turn()

    def _emit(self, records: Sequence[R], gap: Gap | None) -> None:
        self._run(self.plan.packing.pack(records, self._told(gap)))

    def _run(self, events: Sequence[Event]) -> None:
        before, self._cursor = self._cursor, events[-1].cursor
        if self._executions.run(events, before, self._around.context_of(self._moment)) > self._around.limit:
            self._lag()

    def _run_one(self, event: Event | None) -> None:
        if event is not None:
            self._run([event])

    def _deliver(self, payloads: Sequence[Payload]) -> None:
        if self._sent is not None:
            self._sent.add(payloads)
        if self._is_timed:
            self._sent_at = self._loop.time()
        self.roster.deliver(payloads)

    def _told(self, gap: Gap | None) -> Circumstances:
        return Circumstances(self._moment, StreamPhase.LIVE, gap)

    # ------------------------------------------------------------ quiet

    def _beat(self) -> None:
        every = self.plan.options.heartbeat_seconds
        if every is not None:
            self._heart = self._loop.call_at(max(self._sent_at + every, self._loop.time() + _SHORTEST), self._on_beat)

    def _on_beat(self) -> None:
        every = self.plan.options.heartbeat_seconds or 0.0
        if self._loop.time() - self._sent_at >= every and not self._executions:
            self._moment = self.now()
            cursor = self.plan.cursor_at(self.seam) or ""
            self._run_one(self.plan.packing.heartbeat(cursor, self._told(None)))
        self._beat()

    # ------------------------------------------------------------ one member alone

    def now(self) -> Moment:
        """A step without records."""
        return self._around.now(self.feed)

    @property
    def turns(self) -> Turns:
        """One is taken for each read of the store."""
        return self._around.turns

    async def made(self, events: Sequence[Event], moment: Moment) -> list[Payload]:
        """Payloads that only one member gets: stored records, or records with a gap before them."""
        context = self._around.context_of(moment)
        bodies = [self._responder(event.value, context) for event in events]
        return [
            to_payload(
                event,
                None,
                body if isinstance(body, bytes) else await body,
                self.plan.packing.has_cursor_extension,
            )
            for event, body in zip(events, bodies, strict=True)
        ]

    async def _remade(self, records: Sequence[R], gap: Gap | None) -> Sequence[Payload]:
        moment = self.now()
        events = self.plan.packing.pack(records, Circumstances(moment, StreamPhase.LIVE, gap))
        return await self.made(events, moment)

    # ------------------------------------------------------------ end

    def _lag(self) -> None:
        self.roster.end(Lagged(_TOO_SLOW.format(limit=self._around.limit), self._cursor))

    def _fail(self, error: Exception) -> None:
        self.roster.end(error)

    def _stop(self) -> None:
        self._is_running = False
        self._router.leave(self)
        self._executions.stop()
        for timer in (self._turn, self._heart):
            if timer is not None:
                timer.cancel()
        self._turn = self._heart = None
        self._ended(self)
