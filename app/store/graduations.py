"""Reads of graduations: migrations from a curve to a pool."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.records import GraduationRecord
from app.store.keys import among
from app.store.pages import Slice, SortKey, between, order_by
from app.store.rows import graduation_record
from app.store.settled import SETTLED_SLOT
from app.store.tables import graduations, tokens, venues

COLUMNS = (
    *(column for column in graduations.c if column.name not in ("token_id", "venue_id")),
    tokens.c.mint,
    tokens.c.created_at,
    tokens.c.launch_sequence,
    venues.c.address.label("pool"),
    venues.c.quote_mint,
    SETTLED_SLOT,
)
"""What `app.store.rows.graduation_record` reads."""
_KEYS = tuple(
    SortKey(column, True) for column in (graduations.c.block_time, graduations.c.position, graduations.c.identity)
)


def select_graduations() -> Select[tuple[object, ...]]:
    """Every graduation with its token and pool; the caller adds condition, order and limit."""
    source = graduations.join(tokens, tokens.c.id == graduations.c.token_id).join(
        venues, venues.c.id == graduations.c.venue_id
    )
    return select(*COLUMNS).select_from(source)


async def read_graduations_by_sequence(
    connection: AsyncConnection, first: int, last: int, condition: ColumnElement[bool] | None = None, limit: int = 1_000
) -> list[GraduationRecord]:
    """Graduations of the feed from sequence `first` to `last`, both inclusive, in feed order, of the tokens that
    `condition` selects."""
    query = select_graduations().where(graduations.c.sequence.between(first, last))
    if condition is not None:
        query = query.where(condition)
    rows = await connection.execute(query.order_by(graduations.c.sequence).limit(limit))
    return [graduation_record(row) for row in rows]


async def read_graduation_page(
    connection: AsyncConnection, condition: ColumnElement[bool] | None, part: Slice
) -> list[GraduationRecord]:
    """Graduations of the tokens that `condition` selects, newest first in chain order."""
    selected = select_graduations().where(*between(_KEYS, part))
    if condition is not None:
        selected = selected.where(condition)
    rows = await connection.execute(selected.order_by(*order_by(_KEYS, part.from_end)).limit(part.limit))
    return [graduation_record(row) for row in rows]


async def read_graduations_by_identity(
    connection: AsyncConnection, identities: Sequence[bytes]
) -> dict[bytes, GraduationRecord]:
    """Graduations by identity; what is not stored is left out."""
    rows = await connection.execute(select_graduations().where(among(graduations.c.identity, identities)))
    return {row.identity: graduation_record(row) for row in rows}
