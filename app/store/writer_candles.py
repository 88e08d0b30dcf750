"""Candles of a batch: folded in memory, then merged into the stored rows by the database.

Must give what `app.domain.candles.fold` gives; a property test compares them. Open and close carry the chain key of
their trade, so that the order of arrival does not matter.
"""

from collections.abc import Iterable
from copy import copy
from decimal import Decimal
from typing import Protocol

import asyncpg

from app.domain.money import ZERO, add, multiply, usd_volume, whole
from app.domain.programs import Side
from app.store.writer_rows import CANDLES, CandleRow, ChainKey

MINUTE = 60
Minutes = dict[tuple[int, int, int], CandleRow]
_OPEN, _CLOSE = ("open_time", "open_position", "open_identity"), ("close_time", "close_position", "close_identity")


def _merge(table: int, width: int) -> str:
    """SQL that merges rows of `given` into the table of that width, the `table`-th."""
    rows = CANDLES[width]
    before, after = (
        f"{_key('excluded', _OPEN)} < {_key('c', _OPEN)}",
        f"{_key('excluded', _CLOSE)} > {_key('c', _CLOSE)}",
    )
    opens = ("open", "open_usd", *_OPEN)
    closes = ("close", "close_usd", *_CLOSE)
    sums = ("volume", "buy_volume", "volume_usd", "buy_volume_usd", "trades", "buys", "usd_trades")
    changes = [f"{name} = CASE WHEN {before} THEN excluded.{name} ELSE c.{name} END" for name in opens]
    changes += [f"{name} = CASE WHEN {after} THEN excluded.{name} ELSE c.{name} END" for name in closes]
    changes += [f"{name} = greatest(c.{name}, excluded.{name})" for name in ("high", "high_usd")]
    changes += [f"{name} = least(c.{name}, excluded.{name})" for name in ("low", "low_usd")]
    changes += [f"{name} = c.{name} + excluded.{name}" for name in sums]
    values = rows.names.replace('"bucket"', f"to_timestamp(bucket - bucket % {width})")
    return (
        f"INSERT INTO {rows.table.name} AS c ({rows.names}) SELECT {values} FROM given "
        f"WHERE widths & {1 << table} <> 0 ON CONFLICT (token_id, kind, bucket) DO UPDATE SET {', '.join(changes)}"
    )


def _key(row: str, columns: tuple[str, ...]) -> str:
    return "(" + ", ".join(f"{row}.{column}" for column in columns) + ")"


def _merge_all() -> str:
    """One statement for all tables: the rows of $1 are unpacked once, and most go into every table."""
    rows = CANDLES[MINUTE]
    values = [name if name == '"bucket"' else f"{value} AS {name}" for name, value in rows.values]
    merges = [_merge(table, width) for table, width in enumerate(CANDLES)]
    others = ", ".join(f"into_{table} AS ({merge})" for table, merge in enumerate(merges[:-1]))
    unpacked = f"SELECT {', '.join(values)}, widths FROM {rows.given(1, 'widths int')}"
    return f"WITH given AS MATERIALIZED ({unpacked}), {others} {merges[-1]}"


_MERGE = _merge_all()


async def store_candles(connection: asyncpg.Connection, encoded: str) -> None:
    """Merges what `encode_candles` gave."""
    if encoded:
        await connection.execute(_MERGE, encoded)


def encode_candles(minutes: Minutes) -> str:
    """One-minute candles of new trades, and what follows from them for the 1h and 1d candles.

    The only minute of an hour is also all of that hour: such a row is sent once, for both.
    """
    for candle in minutes.values():
        candle.widths = 1
    rows = list(minutes.values())
    for table, width in list(enumerate(CANDLES))[1:]:
        for group in _by_bucket(minutes, width).values():
            if len(group) == 1:
                group[0].widths |= 1 << table
            else:
                rows.append(_joined(group, 1 << table))
    rows.sort(key=_place)
    return CANDLES[MINUTE].encode(rows)


class Swap(Protocol):
    """What candles need of a trade's event."""

    @property
    def venue_kind(self) -> int: ...
    @property
    def side(self) -> Side: ...
    @property
    def quote_amount(self) -> int: ...
    @property
    def quote_decimals(self) -> int: ...


class Priced(Protocol):
    """What candles need of a trade."""

    @property
    def event(self) -> Swap: ...
    @property
    def key(self) -> ChainKey: ...
    @property
    def token_id(self) -> int: ...
    @property
    def spot(self) -> Decimal | None: ...
    @property
    def quote_usd(self) -> Decimal | None: ...


def fold_minutes(trades: Iterable[Priced]) -> Minutes:
    """One-minute candles of the trades that have a spot price, by (token, kind, bucket)."""
    minutes: Minutes = {}
    for trade in trades:
        if trade.spot is None:
            continue
        time = trade.key[0]
        key = (trade.token_id, int(trade.event.venue_kind), time - time % MINUTE)
        single = _of_one(key, trade, trade.spot)
        known = minutes.get(key)
        minutes[key] = single if known is None else _join(known, single)
    return minutes


def _by_bucket(minutes: Minutes, width: int) -> dict[tuple[int, int, int], list[CandleRow]]:
    groups: dict[tuple[int, int, int], list[CandleRow]] = {}
    for (token_id, kind, bucket), candle in minutes.items():
        groups.setdefault((token_id, kind, bucket - bucket % width), []).append(candle)
    return groups


def _joined(group: list[CandleRow], widths: int) -> CandleRow:
    whole_group = copy(group[0])
    for candle in group[1:]:
        _join(whole_group, candle)
    whole_group.widths = widths
    return whole_group


def _place(candle: CandleRow) -> tuple[int, int, int]:
    return (candle.token_id, candle.kind, candle.bucket)


def _of_one(key: tuple[int, int, int], trade: Priced, spot: Decimal) -> CandleRow:
    event = trade.event
    time, position, identity = trade.key
    volume = whole(event.quote_amount, event.quote_decimals)
    rate = trade.quote_usd
    usd = None if rate is None else multiply(spot, rate)
    volume_usd = ZERO if rate is None else usd_volume(volume, rate)
    is_buy = event.side is Side.BUY
    return CandleRow(
        token_id=key[0],
        kind=key[1],
        bucket=key[2],
        open=spot,
        high=spot,
        low=spot,
        close=spot,
        open_time=time,
        open_position=position,
        open_identity=identity,
        close_time=time,
        close_position=position,
        close_identity=identity,
        volume=volume,
        buy_volume=volume if is_buy else ZERO,
        open_usd=usd,
        high_usd=usd,
        low_usd=usd,
        close_usd=usd,
        volume_usd=volume_usd,
        buy_volume_usd=volume_usd if is_buy else ZERO,
        trades=1,
        buys=1 if is_buy else 0,
        usd_trades=0 if rate is None else 1,
    )


def _join(into: CandleRow, other: CandleRow) -> CandleRow:
    """Merges `other` into `into` and returns it; the same rules as `_merge`."""
    if _open_key(other) < _open_key(into):
        into.open, into.open_usd = other.open, other.open_usd
        into.open_time, into.open_position, into.open_identity = _open_key(other)
    if _close_key(other) > _close_key(into):
        into.close, into.close_usd = other.close, other.close_usd
        into.close_time, into.close_position, into.close_identity = _close_key(other)
    into.high, into.low = max(into.high, other.high), min(into.low, other.low)
    if into.high_usd is None or into.low_usd is None:
        into.high_usd, into.low_usd = other.high_usd, other.low_usd
    elif other.high_usd is not None and other.low_usd is not None:
        into.high_usd, into.low_usd = max(into.high_usd, other.high_usd), min(into.low_usd, other.low_usd)
    into.volume, into.buy_volume = add(into.volume, other.volume), add(into.buy_volume, other.buy_volume)
    into.volume_usd = add(into.volume_usd, other.volume_usd)
    into.buy_volume_usd = add(into.buy_volume_usd, other.buy_volume_usd)
    into.trades += other.trades
    into.buys += other.buys
    into.usd_trades += other.usd_trades
    return into


def _open_key(candle: CandleRow) -> tuple[int, int, bytes]:
    return (candle.open_time, candle.open_position, candle.open_identity)


def _close_key(candle: CandleRow) -> tuple[int, int, bytes]:
    return (candle.close_time, candle.close_position, candle.close_identity)
