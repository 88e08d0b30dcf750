"""The feed's one row: newest sequence and head, written with every batch."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import asyncpg

from app.domain.events import Event
from app.domain.programs import Commitment
from app.domain.records import ChainPoint, Head


@dataclass(frozen=True, slots=True)
class FeedState:
    """Sequence, and the head: newest time, highest slot, certainty of the newest event."""

    sequence: int
    time: int
    slot: int
    commitment: Commitment
    finalized_slot: int | None
    source: str
    is_simulated: bool

    @property
    def head(self) -> Head:
        slot = self.finalized_slot
        return Head(
            point=ChainPoint(self.slot, self.time, self.commitment),
            finalized=None if slot is None else ChainPoint(slot, self.time, Commitment.FINALIZED),
            sequence=self.sequence,
            source=self.source,
            is_simulated=self.is_simulated,
        )

    def after(self, sequence: int, events: Iterable[Event], finalized_slot: int | None) -> "FeedState":
        """The state once `events` are stored; late ones do not move the head back."""
        slot, time, commitment = self.slot, self.time, self.commitment
        for event in events:
            if (event.block_time, event.commitment) > (time, commitment):
                time, commitment = event.block_time, event.commitment
            slot = max(slot, event.slot)
        finalized = max(finalized_slot or 0, self.finalized_slot or 0) or None
        return replace(self, sequence=sequence, slot=slot, time=time, commitment=commitment, finalized_slot=finalized)


async def load_feed(connection: asyncpg.Connection, source: str, is_simulated: bool) -> FeedState:
    """The stored state, under the name of the source that writes now."""
    row = await connection.fetchrow("SELECT * FROM feed WHERE id = 1")
    if row is None:
        return FeedState(0, 0, 0, Commitment.PROCESSED, None, source, is_simulated)
    time = row["head_time"]
    return FeedState(
        sequence=row["last_sequence"],
        time=0 if time is None else int(time.timestamp()),
        slot=row["head_slot"],
        commitment=Commitment(row["head_commitment"]),
        finalized_slot=row["finalized_slot"],
        source=source,
        is_simulated=is_simulated,
    )


async def store_feed(connection: asyncpg.Connection, state: FeedState) -> None:
    """Part of the writer's transaction."""
    await connection.execute(
        "INSERT INTO feed (id, last_sequence, head_time, head_slot, head_commitment, finalized_slot, source,"
        " is_simulated) VALUES (1, $1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET"
        " last_sequence = excluded.last_sequence, head_time = excluded.head_time, head_slot = excluded.head_slot,"
        " head_commitment = excluded.head_commitment, finalized_slot = excluded.finalized_slot,"
        " source = excluded.source, is_simulated = excluded.is_simulated",
        state.sequence,
        datetime.fromtimestamp(state.time, UTC) if state.time else None,
        state.slot,
        int(state.commitment),
        state.finalized_slot,
        state.source,
        state.is_simulated,
    )
