"""The feed's one row: newest sequence and head, written with every batch."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import asyncpg

from app.domain.events import Event
from app.domain.programs import COMMITMENTS, Commitment, certainty
from app.domain.records import ChainPoint, Head
from app.domain.slots import SlotRange

_UNSETTLED_SLOTS = 1_000
"""Slots whose time is remembered: some ten times what a slot takes to become final."""


@dataclass(frozen=True, slots=True)
class FeedState:
    """Sequence, and the head: newest time, highest slot, certainty of the newest event."""

    sequence: int
    time: int
    slot: int
    commitment: Commitment
    finalized_slot: int | None
    finalized_time: int | None
    """Block time of the newest event that is finalized; None until one is."""
    source: str
    is_simulated: bool
    tip_slot: int | None = None
    """The chain's own newest slot, as the sources know it."""
    complete_slot: int | None = None
    """Newest slot that was handed over whole."""
    unsettled: Mapping[int, int] = field(default_factory=dict)
    """Block time by slot of what is not final yet; in memory only."""

    @property
    def head(self) -> Head:
        finalized = None
        if self.finalized_slot is not None and self.finalized_time is not None:
            finalized = ChainPoint(self.finalized_slot, self.finalized_time, Commitment.FINALIZED)
        return Head(
            point=ChainPoint(self.slot, self.time, certainty(self.commitment, self.slot, self.finalized_slot)),
            finalized=finalized,
            sequence=self.sequence,
            source=self.source,
            is_simulated=self.is_simulated,
            tip_slot=self.tip_slot,
            complete_slot=self.complete_slot,
        )

    def read_to(self, tip_slot: int | None, complete: Iterable[SlotRange]) -> "FeedState":
        """The state once a source said where the chain is, and what it has handed over; neither moves back."""
        newest = max([slots.last for slots in complete], default=None)
        return replace(self, tip_slot=_later(self.tip_slot, tip_slot), complete_slot=_later(self.complete_slot, newest))

    def rewound(self, places: Iterable[tuple[int, int, int]], slots: Collection[int]) -> "FeedState":
        """The state without some slots; `places` hold time, slot and commitment of what may be the newest now."""
        known = list(places)
        time, commitment = max((time, commitment) for time, _, commitment in known)
        unsettled = {slot: at for slot, at in self.unsettled.items() if slot not in slots}
        newest = max(slot for _, slot, _ in known)
        return replace(self, time=time, slot=newest, commitment=COMMITMENTS[commitment], unsettled=unsettled)

    def after(self, events: Iterable[Event], finalized_slot: int | None) -> "FeedState":
        """The state once `events` are stored, but for the sequence; late ones do not move the head back."""
        slot, time, commitment = self.slot, self.time, self.commitment
        settled_slot = max(finalized_slot or 0, self.finalized_slot or 0)
        unsettled = dict(self.unsettled)
        for event in events:
            if (event.block_time, event.commitment) > (time, commitment):
                time, commitment = event.block_time, event.commitment
            slot = max(slot, event.slot)
            unsettled[event.slot] = event.block_time
            if event.commitment is Commitment.FINALIZED:
                settled_slot = max(settled_slot, event.slot)
        settled = [unsettled.pop(each) for each in list(unsettled) if each <= settled_slot]
        settled_time = max([*settled, self.finalized_time or 0])
        for each in sorted(unsettled)[:-_UNSETTLED_SLOTS]:
            del unsettled[each]
        return replace(
            self,
            slot=slot,
            time=time,
            commitment=commitment,
            finalized_slot=settled_slot or None,
            finalized_time=settled_time or None,
            unsettled=unsettled,
        )


async def load_feed(connection: asyncpg.Connection, source: str, is_simulated: bool) -> FeedState:
    """The stored state, under the name of the source that writes now."""
    row = await connection.fetchrow("SELECT * FROM feed WHERE id = 1")
    if row is None:
        return FeedState(0, 0, 0, Commitment.PROCESSED, None, None, source, is_simulated)
    return FeedState(
        sequence=row["last_sequence"],
        time=_seconds(row["head_time"]) or 0,
        slot=row["head_slot"],
        commitment=Commitment(row["head_commitment"]),
        finalized_slot=row["finalized_slot"],
        finalized_time=_seconds(row["finalized_time"]),
        source=source,
        is_simulated=is_simulated,
        tip_slot=row["tip_slot"],
        complete_slot=row["complete_slot"],
    )


async def store_feed(connection: asyncpg.Connection, state: FeedState) -> None:
    """Part of the writer's transaction."""
    await connection.execute(
        "INSERT INTO feed (id, last_sequence, head_time, head_slot, head_commitment, finalized_slot, finalized_time,"
        " tip_slot, complete_slot, source, is_simulated)"
        " VALUES (1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (id) DO UPDATE SET"
        " last_sequence = excluded.last_sequence, head_time = excluded.head_time, head_slot = excluded.head_slot,"
        " head_commitment = excluded.head_commitment, finalized_slot = excluded.finalized_slot,"
        " finalized_time = excluded.finalized_time, tip_slot = excluded.tip_slot,"
        " complete_slot = excluded.complete_slot,"
        " source = excluded.source, is_simulated = excluded.is_simulated",
        state.sequence,
        _datetime(state.time or None),
        state.slot,
        int(state.commitment),
        state.finalized_slot,
        _datetime(state.finalized_time),
        state.tip_slot,
        state.complete_slot,
        state.source,
        state.is_simulated,
    )


def _later(known: int | None, told: int | None) -> int | None:
    return max((each for each in (known, told) if each is not None), default=None)


def _seconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp())


def _datetime(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
