"""Reads of tokens with their curve and pools."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.records import TokenRecord
from app.store.keys import among
from app.store.pages import Slice, SortKey, between, order_by
from app.store.rows import AnyRow, token_record
from app.store.settled import SETTLED_SLOT
from app.store.tables import tokens, venues


async def read_tokens(connection: AsyncConnection, mints: Sequence[str]) -> dict[str, TokenRecord]:
    """Tokens by mint; what is not indexed is left out."""
    return {token.mint: token for token in await _read(connection, among(tokens.c.mint, mints))}


async def read_tokens_by_id(connection: AsyncConnection, token_ids: Sequence[int]) -> dict[int, TokenRecord]:
    """Tokens by their internal number."""
    return {token.token_id: token for token in await _read(connection, among(tokens.c.id, token_ids))}


async def read_tokens_by_venue(connection: AsyncConnection, addresses: Sequence[str]) -> dict[str, TokenRecord]:
    """Tokens by the address of one of their curves or pools."""
    found = await connection.execute(
        select(venues.c.address, venues.c.token_id).where(among(venues.c.address, addresses))
    )
    token_ids = {row.address: row.token_id for row in found}
    if not token_ids:
        return {}
    by_id = await read_tokens_by_id(connection, list(set(token_ids.values())))
    return {address: by_id[token_id] for address, token_id in token_ids.items()}


async def read_launches(
    connection: AsyncConnection, first: int, last: int, condition: ColumnElement[bool] | None = None, limit: int = 1_000
) -> list[TokenRecord]:
    """Tokens that `condition` selects whose launch has a sequence from `first` to `last`, both inclusive, in feed
    order."""
    chosen = select(tokens.c.id).where(tokens.c.launch_sequence.between(first, last))
    if condition is not None:
        chosen = chosen.where(condition)
    found = await _read(connection, tokens.c.id.in_(chosen.order_by(tokens.c.launch_sequence).limit(limit)))
    return sorted(found, key=lambda token: token.launch_sequence or 0)


async def _read(connection: AsyncConnection, condition: ColumnElement[bool]) -> list[TokenRecord]:
    rows = (await connection.execute(select(tokens, SETTLED_SLOT).where(condition))).all()
    of_token: dict[int, list[AnyRow]] = {row.id: [] for row in rows}
    found = await connection.execute(
        select(venues).where(among(venues.c.token_id, list(of_token))).order_by(venues.c.id)
    )
    for venue in found:
        of_token[venue.token_id].append(venue)
    return [token_record(row, of_token[row.id]) for row in rows]


@dataclass(frozen=True, slots=True)
class TokenPage:
    """A page of tokens with the sort values of each, which its cursor carries."""

    tokens: list[TokenRecord]
    values: list[tuple[Any, ...]]


async def read_token_page(
    connection: AsyncConnection,
    keys: Sequence[SortKey],
    part: Slice,
    condition: ColumnElement[bool] | None,
    source: FromClause = tokens,
) -> TokenPage:
    """Tokens of `source` that `condition` selects, sorted by `keys`; the last key makes the order total."""
    labels = [f"key_{place}" for place in range(len(keys))]
    selected = select(tokens.c.id, *(key.expression.label(label) for key, label in zip(keys, labels, strict=True)))
    selected = selected.select_from(source).where(*between(keys, part))
    if condition is not None:
        selected = selected.where(condition)
    found = await connection.execute(selected.order_by(*order_by(keys, part.from_end)).limit(part.limit))
    rows = found.all()[::-1] if part.from_end else found.all()
    by_id = await read_tokens_by_id(connection, [row.id for row in rows])
    return TokenPage([by_id[row.id] for row in rows], [tuple(getattr(row, label) for label in labels) for row in rows])


async def count_tokens(connection: AsyncConnection, condition: ColumnElement[bool] | None, limit: int) -> int:
    """How many tokens `condition` selects, counted up to `limit`."""
    selected = select(tokens.c.id).limit(limit)
    if condition is not None:
        selected = selected.where(condition)
    count = await connection.scalar(select(func.count()).select_from(selected.subquery()))
    return count or 0


@dataclass(frozen=True, slots=True)
class ConfigFacts:
    """What the curves of one Meteora DBC config tell of those that have not traded yet."""

    lowest_sqrt_price: int | None
    """Q64.64. Curves of one config open at the same price and never fall below it: the nearest that is known of it."""
    migration_threshold: int | None
    """Raw quote at which curves are full: a fact of the config."""
    newest_token_id: int
    """Token of the curve that changed last, of those that have traded if any did."""


async def read_config_facts(connection: AsyncConnection, configs: Sequence[str]) -> dict[str, ConfigFacts]:
    """Facts by config; a config without curves is left out."""
    by_change = aggregate_order_by(venues.c.token_id, venues.c.sqrt_price.is_(None), venues.c.as_of_time.desc())
    query = select(
        venues.c.config,
        func.min(venues.c.sqrt_price).label("price"),
        func.max(venues.c.migration_threshold).label("threshold"),
        func.array_agg(by_change)[1].label("newest_token_id"),
    ).where(among(venues.c.config, configs))
    rows = await connection.execute(query.group_by(venues.c.config))
    return {
        row.config: ConfigFacts(
            None if row.price is None else int(row.price),
            None if row.threshold is None else int(row.threshold),
            row.newest_token_id,
        )
        for row in rows
    }
