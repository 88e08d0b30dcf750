"""Statistics of rolling windows, exact to the second, from the trades themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Integer, cast, func, literal, select, true
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import LateralFromClause
from sqlalchemy.types import DateTime

from app.domain.money import spot_price
from app.domain.programs import WSOL, Side
from app.store.keys import INTEGER, key_table
from app.store.measures import tenth_power, trade_quote, trade_spot
from app.store.rows import AnyRow, to_time
from app.store.tables import tokens, trades, venues

_TIME = DateTime(timezone=True)


@dataclass(frozen=True, slots=True)
class WindowStats:
    """Sums over the trades of one window; USD sums cover the trades that had a rate."""

    volume_usd: Decimal
    volume_quote: Decimal
    buy_volume_usd: Decimal
    sell_volume_usd: Decimal
    trades: int
    buys: int
    sells: int
    traders: int
    buyers: int
    sellers: int
    high_usd: Decimal | None
    low_usd: Decimal | None
    volume_usd_before: Decimal
    """Volume of the window of the same length that ends where this one starts."""
    fees_usd: Decimal
    """Fees of the swaps, and priority fees, each transaction's once, where SOL is the quote."""
    priority_lamports_elsewhere: int
    """Priority fees of transactions whose quote is not SOL: to be valued by a SOL rate."""


WindowKey = tuple[int, int]
"""Token id and window length in seconds."""


async def read_window_stats(
    connection: AsyncConnection, keys: Sequence[WindowKey], head: int
) -> dict[WindowKey, WindowStats]:
    """Statistics of trades with block time in (head − seconds, head], for each (token id, seconds)."""
    asked = _key_table(keys)
    sums = _sums(asked.c.token_id, asked.c.seconds, head)
    query = select(asked.c.token_id, asked.c.seconds.label("window_seconds"), sums).select_from(
        asked.join(sums, true())
    )
    return {
        (row.token_id, row.window_seconds): WindowStats(
            **{name: getattr(row, name) for name in WindowStats.__dataclass_fields__}
        )
        for row in await connection.execute(query)
    }


async def read_volumes(connection: AsyncConnection, keys: Sequence[WindowKey], head: int) -> dict[WindowKey, Decimal]:
    """Volume in USD alone of each (token id, seconds): lists ask for nothing else."""
    asked = _key_table(keys)
    volume = (
        select(func.coalesce(func.sum(trade_quote() * trades.c.quote_usd), 0).label("volume_usd"))
        .select_from(trades.join(venues, venues.c.id == trades.c.venue_id))
        .where(trades.c.token_id == asked.c.token_id, trades.c.block_time <= to_time(head))
        .where(trades.c.block_time > _since(head, asked.c.seconds))
        .lateral()
    )
    query = select(asked.c.token_id, asked.c.seconds.label("window_seconds"), volume.c.volume_usd)
    rows = await connection.execute(query.select_from(asked.join(volume, true())))
    return {(row.token_id, row.window_seconds): row.volume_usd for row in rows}


@dataclass(frozen=True, slots=True)
class PastPrice:
    """Spot after the last trade at or before a moment, and its USD rate then."""

    quote: Decimal
    """To the digits of `Token.price`, so that a price that did not move has changed by nothing."""
    quote_usd: Decimal | None


async def read_past_prices(
    connection: AsyncConnection, keys: Sequence[WindowKey], head: int
) -> dict[WindowKey, PastPrice]:
    """Spot at head − seconds of each (token id, seconds); left out where no priced trade is that old."""
    asked = _key_table(keys)
    source = trades.join(tokens, tokens.c.id == trades.c.token_id).join(venues, venues.c.id == trades.c.venue_id)
    state = (trades.c.virtual_quote_reserves, trades.c.virtual_base_reserves, trades.c.sqrt_price)
    newest = (
        select(*state, trades.c.quote_usd, tokens.c.decimals, venues.c.quote_decimals)
        .select_from(source)
        .where(trades.c.token_id == asked.c.token_id, trades.c.block_time <= _since(head, asked.c.seconds))
        .where(trade_spot().is_not(None))
        .order_by(trades.c.block_time.desc(), trades.c.position.desc(), trades.c.identity.desc())
        .limit(1)
        .lateral()
    )
    query = select(asked.c.token_id, asked.c.seconds.label("window_seconds"), newest)
    rows = await connection.execute(query.select_from(asked.join(newest, true())))
    return {
        (row.token_id, row.window_seconds): PastPrice(spot, row.quote_usd)
        for row in rows
        if (spot := _spot(row)) is not None
    }


def _spot(row: AnyRow) -> Decimal | None:
    state = (row.virtual_quote_reserves, row.virtual_base_reserves, row.sqrt_price)
    quote, base, root = (None if value is None else int(value) for value in state)
    return spot_price(quote, base, root, row.quote_decimals, row.decimals)


def _key_table(keys: Sequence[WindowKey]) -> Any:
    return key_table(
        "k", {"token_id": (INTEGER, [key[0] for key in keys]), "seconds": (INTEGER, [key[1] for key in keys])}
    )


def _since(head: int, seconds: ColumnElement[Any]) -> ColumnElement[Any]:
    return literal(to_time(head), _TIME) - func.make_interval(0, 0, 0, 0, 0, 0, seconds)


def _sums(token_id: ColumnElement[Any], seconds: ColumnElement[Any], head: int) -> LateralFromClause:
    """One pass over two windows' trades: the window's own sums, and the volume of the one before."""
    trade = _window_trades(token_id, seconds, head)
    now, buy, sell = trade.c.is_now, trade.c.side == Side.BUY, trade.c.side == Side.SELL

    def total(value: ColumnElement[Any], *conditions: ColumnElement[bool]) -> ColumnElement[Any]:
        return func.coalesce(func.sum(value).filter(*conditions), 0)

    def count(*conditions: ColumnElement[bool]) -> ColumnElement[Any]:
        return func.count().filter(now, *conditions)

    def distinct(*conditions: ColumnElement[bool]) -> ColumnElement[Any]:
        return func.count(trade.c.trader_id.distinct()).filter(now, *conditions)

    columns = {
        "volume_usd": total(trade.c.volume_usd, now),
        "volume_quote": total(trade.c.volume_quote, now),
        "buy_volume_usd": total(trade.c.volume_usd, now, buy),
        "sell_volume_usd": total(trade.c.volume_usd, now, sell),
        "trades": count(),
        "buys": count(buy),
        "sells": count(sell),
        "traders": distinct(),
        "buyers": distinct(buy),
        "sellers": distinct(sell),
        "high_usd": func.max(trade.c.spot_usd).filter(now),
        "low_usd": func.min(trade.c.spot_usd).filter(now),
        "volume_usd_before": total(trade.c.volume_usd, ~now),
        "fees_usd": total(trade.c.fee_usd, now) + total(trade.c.priority_usd, now, trade.c.nth == 1),
        "priority_lamports_elsewhere": total(trade.c.priority_elsewhere, now, trade.c.nth == 1),
    }
    return select(*(value.label(name) for name, value in columns.items())).select_from(trade).lateral()


def _window_trades(token_id: ColumnElement[Any], seconds: ColumnElement[Any], head: int) -> Any:
    is_sol = venues.c.quote_mint == WSOL
    usd = trades.c.quote_usd
    # A priority fee is paid once a transaction, however many swaps it holds.
    nth = func.row_number().over(partition_by=trades.c.signature, order_by=trades.c.position)
    source = trades.join(tokens, tokens.c.id == trades.c.token_id).join(venues, venues.c.id == trades.c.venue_id)
    return (
        select(
            trades.c.side,
            trades.c.trader_id,
            (trades.c.block_time > _since(head, seconds)).label("is_now"),
            trade_quote().label("volume_quote"),
            (trade_quote() * usd).label("volume_usd"),
            (trade_spot() * usd).label("spot_usd"),
            (trades.c.fee * tenth_power(-venues.c.quote_decimals) * usd).label("fee_usd"),
            (
                trades.c.priority_fee * tenth_power(literal(-9, Integer)) * func.nullif(cast(is_sol, Integer), 0) * usd
            ).label("priority_usd"),
            (trades.c.priority_fee * func.nullif(1 - cast(is_sol, Integer), 0)).label("priority_elsewhere"),
            nth.label("nth"),
        )
        .select_from(source)
        .where(trades.c.token_id == token_id, trades.c.block_time <= to_time(head))
        .where(trades.c.block_time > _since(head, 2 * seconds))
        .correlate_except(trades, tokens, venues)
        .subquery()
    )
