"""Metadata of tokens: what was fetched, what is still to be fetched, and what could not be."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain.metadata import TokenMetadata
from app.store.keys import among
from app.store.tables import token_metadata, tokens

_PAUSES: Final = (timedelta(minutes=1), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=12))
"""Before the second and later tries; after the last one it is left at that."""
_FIELDS: Final = TokenMetadata.__struct_fields__


class Wanted(NamedTuple):
    """A document that is to be fetched."""

    token_id: int
    uri: str
    tries: int
    """So far."""


async def read_token_metadata(connection: AsyncConnection, token_ids: Sequence[int]) -> dict[int, TokenMetadata]:
    """By token id, what was fetched."""
    query = select(token_metadata).where(
        among(token_metadata.c.token_id, token_ids), token_metadata.c.fetched_at.is_not(None)
    )
    rows = await connection.execute(query)
    return {row.token_id: TokenMetadata(**{name: getattr(row, name) for name in _FIELDS}) for row in rows}


async def never_tried(engine: AsyncEngine, above: int, limit: int) -> list[Wanted]:
    """Tokens with an id above `above` whose URI was never asked for, newest first."""
    query = (
        select(tokens.c.id, tokens.c.uri)
        .outerjoin(token_metadata, token_metadata.c.token_id == tokens.c.id)
        .where(tokens.c.id > above, tokens.c.uri.is_not(None), token_metadata.c.token_id.is_(None))
        .order_by(tokens.c.id.desc())
        .limit(limit)
    )
    async with engine.connect() as connection:
        return [Wanted(row.id, row.uri, 0) for row in await connection.execute(query)]


async def due_again(engine: AsyncEngine, limit: int) -> list[Wanted]:
    """Those that failed before and whose pause is over."""
    query = (
        select(token_metadata.c.token_id, token_metadata.c.uri, token_metadata.c.tries)
        .where(token_metadata.c.next_try_at <= datetime.now(UTC))
        .order_by(token_metadata.c.next_try_at)
        .limit(limit)
    )
    async with engine.connect() as connection:
        return [Wanted(*row) for row in await connection.execute(query)]


async def keep(engine: AsyncEngine, wanted: Wanted, found: TokenMetadata) -> None:
    """What the document says."""
    values = {name: getattr(found, name) for name in _FIELDS}
    await _put(engine, wanted, {**values, "why": None, "next_try_at": None, "fetched_at": datetime.now(UTC)})


async def note_failure(engine: AsyncEngine, wanted: Wanted, why: str) -> None:
    """Why there is no document, and when it is asked for again."""
    pause = _PAUSES[wanted.tries] if wanted.tries < len(_PAUSES) else None
    await _put(engine, wanted, {"why": why, "next_try_at": datetime.now(UTC) + pause if pause else None})


async def _put(engine: AsyncEngine, wanted: Wanted, values: dict[str, object]) -> None:
    row = {"uri": wanted.uri, "tries": wanted.tries + 1, **values}
    statement = insert(token_metadata).values(token_id=wanted.token_id, **row)
    async with engine.begin() as connection:
        await connection.execute(statement.on_conflict_do_update(index_elements=["token_id"], set_=row))
