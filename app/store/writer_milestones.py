"""Launches and completions of a batch: a row each, so that streams of them resume with where they were on chain."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import asyncpg

from app.domain.events import Completion, Event, Launch
from app.domain.programs import Commitment
from app.domain.records import Milestone, RecordKind
from app.store.writer_states import TokenState
from app.store.writer_trades import signature_bytes

_STORE = (
    "INSERT INTO milestones (sequence, kind, mint, block_time, position, signature, commitment)"
    " VALUES ($1, $2, $3, $4, $5, $6, $7)"
)


def milestone(event: Event, state: TokenState) -> Milestone | None:
    """What is stored of a new event, which has its sequence; None of other kinds."""
    match event:
        case Launch():
            kind, sequence = RecordKind.LAUNCH, state.row.launch_sequence
        case Completion():
            kind, sequence = RecordKind.COMPLETION, state.row.completed_sequence
        case _:
            return None
    assert sequence is not None  # every new one is numbered
    return Milestone(
        sequence=sequence,
        kind=kind,
        mint=event.mint,
        position=event.position,
        block_time=event.block_time,
        commitment=event.commitment,
        signature=event.signature,
    )


async def store_milestones(
    connection: asyncpg.Connection, milestones: Sequence[Milestone], confirmed: Sequence[int]
) -> None:
    """Part of the writer's transaction. `confirmed`: sequences of records that came again, confirmed at least."""
    if milestones:
        await connection.executemany(_STORE, map(_row, milestones))
    if confirmed:
        await connection.execute(
            "UPDATE milestones SET commitment = $2 WHERE sequence = ANY($1) AND commitment < $2",
            confirmed,
            int(Commitment.CONFIRMED),
        )


async def remove_milestones(connection: asyncpg.Connection, sequences: Iterable[int]) -> None:
    """Those of them that are milestones have left the chain."""
    await connection.execute("DELETE FROM milestones WHERE sequence = ANY($1)", list(sequences))


def _row(each: Milestone) -> tuple[object, ...]:
    time = datetime.fromtimestamp(each.block_time, UTC)
    signature = None if each.signature is None else signature_bytes(each.signature)
    # That it is final follows from its slot, and not from who told it when.
    commitment = min(each.commitment, Commitment.CONFIRMED)
    return each.sequence, int(each.kind), each.mint, time, each.position, signature, int(commitment)
