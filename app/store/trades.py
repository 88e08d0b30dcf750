"""Reads of trades: by chain order for pages, by feed order for streams that catch up."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, and_, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.records import TradeRecord
from app.store.rows import to_time, trade_record
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
