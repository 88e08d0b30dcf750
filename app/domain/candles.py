"""One meaning of a candle: the plain fold of its trades in chain order (ARCHITECTURE.md section 8)."""

from decimal import Decimal
from enum import Enum

import msgspec

from app.domain.programs import TradeProgram

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

    USD prices and volumes cover the trades that had a rate; `usd_trades` says how many of `trades` they are.
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
