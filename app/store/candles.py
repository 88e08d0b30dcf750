"""Reads of candles: stored widths as they are, others derived from the next smaller stored width or from the trades."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    DateTime,
    FromClause,
    Select,
    SmallInteger,
    and_,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import LateralFromClause

from app.domain.candles import DAY, Candle, Interval
from app.domain.programs import Side, TradeProgram
from app.store.keys import among, key_table
from app.store.measures import trade_quote, trade_spot, trade_volume_usd
from app.store.rows import AnyRow, to_seconds, to_time
from app.store.tables import candles_1d, candles_1h, candles_1m, tokens, trades, venues
from app.store.touched import select_withdrawn

_STORED = {Interval.M1: candles_1m, Interval.H1: candles_1h, Interval.D1: candles_1d}
_TIME = DateTime(timezone=True)
_PLAN_ANEW = "SET plan_cache_mode = force_custom_plan"
"""After five charts Postgres would settle on one plan for any number of tokens: 100 charts then took 5 s, not 0.6 s."""
_SECONDS_KEPT = DAY
"""Candles of less than a minute are promised for this long only."""
_SUMS = ("volume", "buy_volume", "volume_usd", "buy_volume_usd", "trades", "buys", "usd_trades")


@dataclass(frozen=True, slots=True)
class ChartRange:
    """Which candles of a chart to read.

    Those that start in [`start`, `end`), and as many of the newest before `end` as `countback` says, whatever `start`
    is. `with_previous` adds the last candle before `start`: gaps are filled from it. `need_usd` leaves out candles of
    whose trades none had a rate.
    """

    interval: Interval
    start: int
    end: int
    countback: int = 0
    program: TradeProgram | None = None
    with_previous: bool = False
    need_usd: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """Candles of a token, oldest first, and what values them."""

    token_id: int
    decimals: int
    total_supply: int | None
    protocol: int
    candles: list[Candle]
    withdrawn: Counter[int]
    """How many trades forks took out of each interval, by its first second, on whichever venue they were."""


async def read_charts(connection: AsyncConnection, mints: Sequence[str], asked: ChartRange) -> dict[str, Chart]:
    """The candles of each mint; a mint that is not indexed is left out, one without candles has none."""
    chosen, gone = _chosen(asked, mints), _gone(asked, mints)
    facts = (tokens.c.mint, tokens.c.id, tokens.c.decimals, tokens.c.total_supply, tokens.c.protocol)
    source = tokens.outerjoin(chosen, chosen.c.token_id == tokens.c.id).outerjoin(gone, gone.c.mint == tokens.c.mint)
    query = select(*facts, gone.c.withdrawn, chosen).select_from(source).where(among(tokens.c.mint, mints))
    query = query.order_by(chosen.c.start)
    charts: dict[str, Chart] = {}
    await connection.exec_driver_sql(_PLAN_ANEW)
    for row in await connection.execute(query):
        chart = charts.get(row.mint)
        if chart is None:
            withdrawn = Counter(map(asked.interval.bucket, row.withdrawn or ()))
            facts_of = (row.id, row.decimals, _integer(row.total_supply), row.protocol)
            chart = charts[row.mint] = Chart(*facts_of, [], withdrawn)
        if row.token_id is not None:
            chart.candles.append(_candle(row, asked))
    return charts


async def read_candle_traders(
    connection: AsyncConnection, interval: Interval, program: TradeProgram | None, slots: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], int]:
    """Distinct traders of each (token id, first second) of one width: not stored, so counted when asked for."""
    starts = [start for _, start in slots]
    start = _bucket(trades.c.block_time, interval)
    query = (
        select(trades.c.token_id, start.label("start"), func.count(trades.c.trader_id.distinct()).label("traders"))
        .where(among(trades.c.token_id, sorted({token_id for token_id, _ in slots})))
        .where(trades.c.block_time >= to_time(min(starts)))
        .where(trades.c.block_time < to_time(max(starts) + interval.seconds))
        .group_by(trades.c.token_id, start)
    )
    if program is not None:
        kind = select(venues.c.kind).where(venues.c.id == trades.c.venue_id).scalar_subquery()
        query = query.where(kind == program)
    return {(row.token_id, row.start): row.traders for row in await connection.execute(query)}


def _gone(asked: ChartRange, mints: Sequence[str]) -> CTE:
    """Block times of the trades that forks took away before the end of the range, by mint."""
    gone = select_withdrawn(mints).subquery()
    query = select(gone.c.mint, func.array_agg(gone.c.block_time).label("withdrawn")).group_by(gone.c.mint)
    return query.where(gone.c.block_time < _end(asked)).cte("gone")


def _chosen(asked: ChartRange, mints: Sequence[str]) -> CTE:
    """The candles asked for, of all tokens at once."""
    merged = _merged(asked, mints).cte("merged")
    from_end = func.row_number().over(partition_by=merged.c.token_id, order_by=merged.c.start.desc())
    before = func.max(merged.c.start).filter(merged.c.start < asked.start).over(partition_by=merged.c.token_id)
    ranked = select(merged, from_end.label("from_end"), before.label("last_before")).cte("ranked")
    wanted = [ranked.c.start >= asked.start, ranked.c.from_end <= asked.countback]
    if asked.with_previous:
        wanted.append(ranked.c.start == ranked.c.last_before)
    return select(ranked).where(or_(*wanted)).cte("chosen")


def _merged(asked: ChartRange, mints: Sequence[str]) -> Select[Any]:
    """Candles of the asked width: open of the first part, close of the last, extremes and sums of all."""
    parts = _parts(asked, mints).cte("parts")
    first = (parts.c.open_time, parts.c.open_position, parts.c.open_identity)
    last = (parts.c.close_time.desc(), parts.c.close_position.desc(), parts.c.close_identity.desc())

    def pick(column: str, order: Sequence[Any]) -> ColumnElement[Any]:
        values = func.array_agg(aggregate_order_by(parts.c[column], *order))
        return values.filter(parts.c[column].is_not(None))[1].label(column)

    query = select(
        parts.c.token_id,
        parts.c.start,
        *(pick(column, first) for column in ("open", "open_usd", "open_time", "open_position", "open_identity")),
        *(pick(column, last) for column in ("close", "close_usd", "close_time", "close_position", "close_identity")),
        *(func.max(parts.c[column]).label(column) for column in ("high", "high_usd")),
        *(func.min(parts.c[column]).label(column) for column in ("low", "low_usd")),
        *(func.sum(parts.c[column]).label(column) for column in _SUMS),
    ).group_by(parts.c.token_id, parts.c.start)
    return query.having(func.sum(parts.c.usd_trades) > 0) if asked.need_usd else query


def _parts(asked: ChartRange, mints: Sequence[str]) -> Select[Any]:
    stored = asked.interval.stored
    parts = _of_trades(asked) if stored is None else _of_stored(asked, _STORED[stored], stored)
    return parts.where(among(tokens.c.mint, mints))


def _of_stored(asked: ChartRange, table: FromClause, stored: Interval) -> Select[Any]:
    kinds = key_table("kinds", {"kind": (SmallInteger(), [asked.program] if asked.program else list(TradeProgram))})
    start = _bucket(table.c.bucket, asked.interval).label("start")
    columns = [column for column in table.c if column.name not in ("kind", "bucket")]
    of_token = and_(table.c.token_id == tokens.c.id, table.c.kind == kinds.c.kind)
    source = tokens.join(kinds, true())
    oldest: ColumnElement[Any] = literal(to_time(asked.start), _TIME)
    if _needs_older(asked):
        looked_back = _look_back(asked, table, kinds, stored)
        source, oldest = source.join(looked_back, true()), func.least(oldest, looked_back.c.bucket)
    query = select(start, *columns).select_from(source.join(table, of_token))
    return query.where(table.c.bucket >= oldest, table.c.bucket < to_time(_end(asked)))


def _look_back(asked: ChartRange, table: FromClause, kinds: FromClause, stored: Interval) -> LateralFromClause:
    """How old the stored candles may be that the wanted ones are made of: n of them hold at most n × parts rows."""
    older, wanted = table.alias("older"), asked.countback or 1
    newest = (
        select(older.c.bucket)
        .where(older.c.token_id == tokens.c.id, older.c.kind == kinds.c.kind)
        .where(older.c.bucket < to_time(_end(asked) if asked.countback else asked.start))
        .order_by(older.c.bucket.desc())
        .limit(wanted * (asked.interval.seconds // stored.seconds))
    )
    rows = (newest.where(older.c.usd_trades > 0) if asked.need_usd else newest).correlate(tokens, kinds).subquery()
    return select(func.min(rows.c.bucket).label("bucket")).select_from(rows).lateral("looked_back")


def _of_trades(asked: ChartRange) -> Select[Any]:
    source = trades.join(tokens, tokens.c.id == trades.c.token_id).join(venues, venues.c.id == trades.c.venue_id)
    spot, is_buy = trade_spot(), trades.c.side == Side.BUY
    spot_usd, volume_usd = spot * trades.c.quote_usd, func.coalesce(trade_volume_usd(), 0)
    columns = {
        **dict.fromkeys(("open", "high", "low", "close"), spot),
        **{f"{each}_usd": spot_usd for each in ("open", "high", "low", "close")},
        **{f"{each}_time": trades.c.block_time for each in ("open", "close")},
        **{f"{each}_position": trades.c.position for each in ("open", "close")},
        **{f"{each}_identity": trades.c.identity for each in ("open", "close")},
        "volume": trade_quote(),
        "buy_volume": case((is_buy, trade_quote()), else_=0),
        "volume_usd": volume_usd,
        "buy_volume_usd": case((is_buy, volume_usd), else_=0),
        "trades": literal(1),
        "buys": case((is_buy, 1), else_=0),
        "usd_trades": case((trades.c.quote_usd.is_(None), 0), else_=1),
    }
    query = (
        select(
            trades.c.token_id,
            _bucket(trades.c.block_time, asked.interval).label("start"),
            *(value.label(name) for name, value in columns.items()),
        )
        .select_from(source)
        .where(spot.is_not(None), trades.c.block_time < to_time(_end(asked)))
    )
    if asked.program is not None:
        query = query.where(venues.c.kind == asked.program)
    return query.where(trades.c.block_time >= _oldest_trade(asked))


def _needs_older(asked: ChartRange) -> bool:
    return asked.countback > 0 or asked.with_previous


def _oldest_trade(asked: ChartRange) -> datetime:
    """Where reading trades starts; to look back for more is bounded by `_SECONDS_KEPT`."""
    looked_back = asked.end - _SECONDS_KEPT
    return to_time(min(asked.start, looked_back) if _needs_older(asked) else asked.start)


def _end(asked: ChartRange) -> int:
    """End of the last candle that starts before `asked.end`: it is read whole."""
    return asked.interval.bucket(asked.end - 1) + asked.interval.seconds


def _bucket(time: ColumnElement[Any], interval: Interval) -> ColumnElement[int]:
    """`Interval.bucket` in SQL."""
    seconds = cast(func.floor(func.extract("epoch", time)), BigInteger)
    return seconds - (seconds - interval.origin) % interval.seconds


def _candle(row: AnyRow, asked: ChartRange) -> Candle:
    return Candle(
        time=row.start,
        interval=asked.interval,
        kind=asked.program,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        open_key=(to_seconds(row.open_time), row.open_position, row.open_identity),
        close_key=(to_seconds(row.close_time), row.close_position, row.close_identity),
        volume=row.volume,
        buy_volume=row.buy_volume,
        sell_volume=row.volume - row.buy_volume,
        open_usd=row.open_usd,
        high_usd=row.high_usd,
        low_usd=row.low_usd,
        close_usd=row.close_usd,
        volume_usd=row.volume_usd,
        buy_volume_usd=row.buy_volume_usd,
        sell_volume_usd=row.volume_usd - row.buy_volume_usd,
        trades=row.trades,
        buys=row.buys,
        sells=row.trades - row.buys,
        usd_trades=row.usd_trades,
    )


def _integer(value: Decimal | None) -> int | None:
    return None if value is None else int(value)
