"""Reads of trades: by chain order for pages, by feed order for streams that catch up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, case, func, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.cursors import Cursor
from app.domain.programs import Protocol, Side
from app.domain.records import TradeRecord
from app.store.keys import INTEGER, among, key_table
from app.store.measures import trade_volume_usd
from app.store.pages import Slice, SortKey, between, order_by
from app.store.rows import AnyRow, to_time, trade_record
from app.store.settled import SETTLED_SLOT
from app.store.tables import token_traders, tokens, trades, venues, wallets

COLUMNS = (
    *(column for column in trades.c if column.name not in ("token_id", "trader_id", "venue_id")),
    venues.c.address.label("venue"),
    venues.c.kind.label("venue_kind"),
    venues.c.quote_mint,
    venues.c.quote_decimals,
    tokens.c.mint,
    tokens.c.decimals.label("base_decimals"),
    tokens.c.total_supply,
    tokens.c.creator,
    wallets.c.address.label("trader"),
    func.coalesce(token_traders.c.first_identity == trades.c.identity, False).label("is_first_trade"),
    SETTLED_SLOT,
)
"""What `app.store.rows.trade_record` reads."""


def select_trades() -> Select[tuple[object, ...]]:
    """Every trade with its token, venue and trader; the caller adds condition, order and limit."""
    source = (
        trades.join(tokens, tokens.c.id == trades.c.token_id)
        .join(venues, venues.c.id == trades.c.venue_id)
        .join(wallets, wallets.c.id == trades.c.trader_id)
        .outerjoin(
            token_traders,
            and_(token_traders.c.token_id == trades.c.token_id, token_traders.c.trader_id == trades.c.trader_id),
        )
    )
    return select(*COLUMNS).select_from(source)


async def read_trades_by_sequence(
    connection: AsyncConnection, first: int, last: int, condition: ColumnElement[bool] | None = None, limit: int = 1_000
) -> list[TradeRecord]:
    """Trades of the feed from sequence `first` to `last`, both inclusive, in feed order, at most `limit`."""
    query = select_trades().where(trades.c.sequence.between(first, last))
    if condition is not None:
        query = query.where(condition)
    rows = await connection.execute(query.order_by(trades.c.sequence).limit(limit))
    return [trade_record(row) for row in rows]


async def read_trades_by_identity(
    connection: AsyncConnection, keys: Sequence[tuple[int, bytes]]
) -> dict[bytes, TradeRecord]:
    """Trades by (block time in Unix seconds, identity); what is not stored is left out."""
    pairs = [(to_time(block_time), identity) for block_time, identity in keys]
    query = select_trades().where(tuple_(trades.c.block_time, trades.c.identity).in_(pairs))
    return {row.identity: trade_record(row) for row in await connection.execute(query)}


@dataclass(frozen=True, slots=True)
class TradeQuery:
    """Which trades a page holds: those that `condition` selects, sorted, and which part of them."""

    keys: tuple[SortKey, ...]
    part: Slice
    condition: ColumnElement[bool] | None = None


def chain_keys(is_descending: bool) -> tuple[SortKey, ...]:
    """Chain order: (block time, position, identity)."""
    columns = (trades.c.block_time, trades.c.position, trades.c.identity)
    return tuple(SortKey(column, is_descending) for column in columns)


def volume_keys(is_descending: bool) -> tuple[SortKey, ...]:
    """By USD value, trades without one below all others, then chain order."""
    return (SortKey(_volume(), is_descending), *chain_keys(is_descending))


def chain_values(cursor: Cursor) -> tuple[Any, ...]:
    """The sort values of a trade in chain order."""
    return to_time(cursor.block_time), cursor.position, cursor.identity


def volume_values(cursor: Cursor) -> tuple[Any, ...]:
    """The sort values of a trade by USD value, which is looked up: a cursor names the trade only."""
    trade, venue = trades.alias(), venues.alias()
    value = (
        select(_volume(trade, venue))
        .select_from(trade.join(venue, venue.c.id == trade.c.venue_id))
        .where(trade.c.block_time == to_time(cursor.block_time), trade.c.identity == cursor.identity)
        .scalar_subquery()
    )
    return value, *chain_values(cursor)


async def read_trade_page(connection: AsyncConnection, query: TradeQuery) -> list[TradeRecord]:
    """The page, in the order of the list even when it is read from the end."""
    rows = (await connection.execute(_page(query))).all()
    return _in_order(rows, query.part)


async def read_token_trade_pages(
    connection: AsyncConnection, token_ids: Sequence[int], query: TradeQuery
) -> dict[int, list[TradeRecord]]:
    """The same page of each of many tokens, in one statement."""
    keys = key_table("k", {"token_id": (INTEGER, token_ids)})
    page = _page(query).where(trades.c.token_id == keys.c.token_id).lateral("page")
    rows = await connection.execute(select(keys.c.token_id, page).select_from(keys.join(page, true())))
    of_token: dict[int, list[AnyRow]] = {token_id: [] for token_id in token_ids}
    for row in rows:
        of_token[row.token_id].append(row)
    return {token_id: _in_order(found, query.part) for token_id, found in of_token.items()}


def _volume(trade: FromClause = trades, venue: FromClause = venues) -> ColumnElement[Any]:
    return func.coalesce(trade_volume_usd(trade, venue), -1)


def _page(query: TradeQuery) -> Select[Any]:
    selected = select_trades().where(*between(query.keys, query.part))
    if query.condition is not None:
        selected = selected.where(query.condition)
    return selected.order_by(*order_by(query.keys, query.part.from_end)).limit(query.part.limit)


def _in_order(rows: Sequence[AnyRow], part: Slice) -> list[TradeRecord]:
    found = [trade_record(row) for row in rows]
    return found[::-1] if part.from_end else found


_TELLING_QUOTE = 100_000
"""Raw quote below which the rounding of a fee shows in its basis points."""


async def read_curve_fees(connection: AsyncConnection, token_ids: Sequence[int]) -> dict[int, int]:
    """Fee in basis points that each token's newest trade on a curve paid; left out where no trade tells.

    A seller's fee is part of the quote amount, a buyer's comes on top of it.
    """
    keys = key_table("k", {"token_id": (INTEGER, token_ids)})
    paid = case((trades.c.side == Side.BUY, trades.c.quote_amount + trades.c.fee), else_=trades.c.quote_amount)
    newest = (
        select(func.round(trades.c.fee * 10_000 / paid).label("fee_bps"))
        .where(trades.c.token_id == keys.c.token_id, trades.c.fee.is_not(None))
        .where(among(trades.c.protocol, [each for each in Protocol if each.is_curve]))
        .where(trades.c.quote_amount >= _TELLING_QUOTE)
        .order_by(*order_by(chain_keys(is_descending=True), from_end=False))
        .limit(1)
        .lateral()
    )
    rows = await connection.execute(select(keys.c.token_id, newest.c.fee_bps).select_from(keys.join(newest, true())))
    return {row.token_id: int(row.fee_bps) for row in rows}
