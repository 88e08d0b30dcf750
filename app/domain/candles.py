"""One meaning of a candle: the plain fold of its trades in chain order (ARCHITECTURE.md section 8)."""

from collections.abc import Iterable
from decimal import Decimal
from enum import Enum

import msgspec

from app.domain.money import ZERO, add, multiply, usd_volume, whole
from app.domain.programs import Side, TradeProgram
from app.domain.records import TradeRecord

DAY = 86_400
_MONDAY = 4 * DAY
"""1970-01-01 was a Thursday; weeks are cut on Monday 00:00 UTC."""


class Interval(Enum):
    """Width of a candle. The value is its width in seconds."""

    S1 = 1
    S5 = 5
    S15 = 15
    S30 = 30
    M1 = 60
    M5 = 300
    M15 = 900
    M30 = 1_800
    H1 = 3_600
    H4 = 14_400
    H12 = 43_200
    D1 = DAY
    W1 = 7 * DAY

    @property
    def seconds(self) -> int:
        return self.value

    @property
    def origin(self) -> int:
        """Unix second that every bucket of this width is a multiple away from."""
        return _MONDAY if self is Interval.W1 else 0

    @property
    def stored(self) -> "Interval | None":
        """The stored width that this one derives from; None where it derives from trades."""
        if self.seconds < 60:
            return None
        if self.seconds < 3_600:
            return Interval.M1
        return Interval.H1 if self.seconds < DAY else Interval.D1

    def bucket(self, time: int) -> int:
        """First second of the interval that holds `time`."""
        return time - (time - self.origin) % self.seconds


class Candle(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Open, high, low, close and volume of one interval, in quote and, where a rate was known, in US dollars.

    USD highs, lows and volumes cover the trades that had a rate; `usd_trades` says how many of `trades` they are. USD
    opens and closes are those of the first and last trade, None where that trade had no rate.
    `open_key`/`close_key` are (block time, position, identity) of the first and last trade: their chain order.
    """

    time: int
    """First second of the interval."""
    interval: Interval
    kind: TradeProgram | None
    """Curve, AMM, or None where both are merged."""
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    open_key: tuple[int, int, bytes]
    close_key: tuple[int, int, bytes]
    volume: Decimal
    """Whole quote tokens, before fees."""
    buy_volume: Decimal
    sell_volume: Decimal
    open_usd: Decimal | None
    high_usd: Decimal | None
    low_usd: Decimal | None
    close_usd: Decimal | None
    volume_usd: Decimal
    buy_volume_usd: Decimal
    sell_volume_usd: Decimal
    trades: int
    buys: int
    sells: int
    usd_trades: int


def fold(trades: Iterable[TradeRecord], interval: Interval, kind: TradeProgram | None = None) -> list[Candle]:
    """The candles of one token's trades, oldest first: what every stored candle must equal.

    A trade whose venue told no spot price is in no candle. `kind` only labels the result.
    """
    buckets: dict[int, list[TradeRecord]] = {}
    for trade in sorted(trades, key=_chain_key):
        if trade.spot_price is not None:
            buckets.setdefault(interval.bucket(trade.block_time), []).append(trade)
    return [_candle(time, interval, kind, held) for time, held in sorted(buckets.items())]


def _candle(time: int, interval: Interval, kind: TradeProgram | None, trades: list[TradeRecord]) -> Candle:
    buys = [trade for trade in trades if trade.side is Side.BUY]
    sells = [trade for trade in trades if trade.side is Side.SELL]
    spots = [trade.spot_price for trade in trades if trade.spot_price is not None]
    spots_usd = [_spot_usd(trade) for trade in trades]
    usd = [price for price in spots_usd if price is not None]
    return Candle(
        time=time,
        interval=interval,
        kind=kind,
        open=spots[0],
        high=max(spots),
        low=min(spots),
        close=spots[-1],
        open_key=_chain_key(trades[0]),
        close_key=_chain_key(trades[-1]),
        volume=_volume(trades),
        buy_volume=_volume(buys),
        sell_volume=_volume(sells),
        open_usd=spots_usd[0],
        high_usd=max(usd, default=None),
        low_usd=min(usd, default=None),
        close_usd=spots_usd[-1],
        volume_usd=_volume_usd(trades),
        buy_volume_usd=_volume_usd(buys),
        sell_volume_usd=_volume_usd(sells),
        trades=len(trades),
        buys=len(buys),
        sells=len(sells),
        usd_trades=len(usd),
    )


def _spot_usd(trade: TradeRecord) -> Decimal | None:
    if trade.spot_price is None or trade.quote_usd is None:
        return None
    return multiply(trade.spot_price, trade.quote_usd)


def _chain_key(trade: TradeRecord) -> tuple[int, int, bytes]:
    return (trade.block_time, trade.position, trade.identity)


def _volume(trades: list[TradeRecord]) -> Decimal:
    total = ZERO
    for trade in trades:
        total = add(total, whole(trade.quote_amount, trade.quote_decimals))
    return total


def _volume_usd(trades: list[TradeRecord]) -> Decimal:
    total = ZERO
    for trade in trades:
        if trade.quote_usd is not None:
            total = add(total, usd_volume(whole(trade.quote_amount, trade.quote_decimals), trade.quote_usd))
    return total
