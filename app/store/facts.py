"""Tokens of which indexed events left something open, for whoever reads their accounts."""

from typing import NamedTuple

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.programs import Protocol
from app.store.keys import among
from app.store.tables import tokens, venues

_PARTS = ("name", "symbol", "uri", "creator", "total_supply")
"""Of a token, in the names of `app.domain.facts.TokenFacts`."""


class OpenVenue(NamedTuple):
    """A curve or pool of such a token."""

    address: str
    protocol: Protocol


class OpenToken(NamedTuple):
    """A token of which nothing told some part yet."""

    token_id: int
    mint: str
    venues: tuple[OpenVenue, ...]


async def tokens_without_facts(engine: AsyncEngine, limit: int, before: int | None = None) -> list[OpenToken]:
    """The newest first, those with a smaller `token_id` than `before` only: what accounts do not tell either stays
    open, and a reader goes on behind it."""
    query = select(tokens).where(or_(*(tokens.c[part].is_(None) for part in _PARTS)))
    if before is not None:
        query = query.where(tokens.c.id < before)
    async with engine.connect() as connection:
        rows = (await connection.execute(query.order_by(tokens.c.id.desc()).limit(limit))).all()
        of_tokens = select(venues).where(among(venues.c.token_id, [row.id for row in rows])).order_by(venues.c.id)
        found: dict[int, list[OpenVenue]] = {row.id: [] for row in rows}
        for venue in await connection.execute(of_tokens):
            found[venue.token_id].append(OpenVenue(venue.address, Protocol(venue.protocol)))
    return [OpenToken(row.id, row.mint, tuple(found[row.id])) for row in rows]
