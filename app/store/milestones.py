"""Reads of launches and completions in feed order."""

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.events import unpack_position
from app.domain.programs import certainty
from app.domain.records import Milestone, RecordKind
from app.store.rows import AnyRow, signature_text, to_seconds
from app.store.settled import SETTLED_SLOT
from app.store.tables import milestones, tokens


def select_milestones() -> Select[tuple[object, ...]]:
    """Every milestone with its token; the caller adds condition, order and limit."""
    return select(*milestones.c, SETTLED_SLOT).select_from(milestones.join(tokens, tokens.c.mint == milestones.c.mint))


async def read_milestones(
    connection: AsyncConnection, first: int, last: int, condition: ColumnElement[bool] | None = None, limit: int = 1_000
) -> list[Milestone]:
    """Those from sequence `first` to `last`, both inclusive, in feed order, that `condition` selects."""
    query = select_milestones().where(milestones.c.sequence.between(first, last))
    if condition is not None:
        query = query.where(condition)
    rows = await connection.execute(query.order_by(milestones.c.sequence).limit(limit))
    return [_milestone(row) for row in rows]


def _milestone(row: AnyRow) -> Milestone:
    return Milestone(
        sequence=row.sequence,
        kind=RecordKind(row.kind),
        mint=row.mint,
        position=row.position,
        block_time=to_seconds(row.block_time),
        commitment=certainty(row.commitment, unpack_position(row.position)[0], row.settled_slot),
        signature=None if row.signature is None else signature_text(row.signature),
    )
