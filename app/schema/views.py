"""What GraphQL types resolve from where no domain record holds it all."""

from decimal import Decimal

import msgspec

from app.domain.candles import Candle
from app.domain.programs import Commitment, TradeProgram
from app.domain.records import ChainPoint, CurveState, GraduationRecord, TokenRecord
from app.domain.valuation import Rates
from app.schema.enums import ChartUnit, LaunchpadEventType, StatsWindow
from app.store.statistics import PastPrice, WindowStats


class WalletView(msgspec.Struct, frozen=True, gc=False):
    """A wallet: any well-formed address is one."""

    address: str


class MetadataView(msgspec.Struct, frozen=True, gc=False):
    """What a token's document says, with where it is."""

    uri: str | None
    image: str | None
    description: str | None
    website: str | None
    twitter: str | None
    telegram: str | None
    discord: str | None


class CurveView(msgspec.Struct, frozen=True, gc=False):
    """A bonding curve with its token, whose price, supply and quote it shares."""

    token: TokenRecord
    state: CurveState


class PriceView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A price with where and when it was taken."""

    quote: Decimal
    quote_mint: str
    program: TradeProgram
    as_of: ChainPoint
    rates: Rates
    head_time: int


class CandleView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A candle in the unit that was asked for."""

    candle: Candle
    token_id: int
    supply: Decimal | None
    """Whole tokens, for the market cap."""
    unit: ChartUnit
    is_final: bool
    is_filled: bool = False
    withdrawn: int = 0
    """Trades that forks took out of its interval."""

    @property
    def revision(self) -> int:
        """Grows with each trade that comes or leaves, and with the end of the interval.

        It follows from what is stored, so it is the same in queries and streams and after a restart. A trade that left
        counts two: one for its coming, which the number of trades has forgotten, and one for its leaving.
        """
        return 2 * (self.candle.trades + 2 * self.withdrawn) + self.is_final


class HolderView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A wallet's share of a token."""

    address: str
    balance: int
    token: TokenRecord
    price_usd: Decimal | None


class StatsView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The statistics of one window of a token."""

    window: StatsWindow
    stats: WindowStats
    past: PastPrice | None
    """Spot at the window's start."""
    price: Decimal | None
    """Newest spot in quote tokens."""
    price_usd: Decimal | None
    sol_usd: Decimal | None


class LaunchpadEventView(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A lifecycle record with its token."""

    key: str
    cursor: str
    type: LaunchpadEventType
    token: TokenRecord
    curve_progress: float | None
    graduation: GraduationRecord | None = None
    signature: str | None = None
    slot: int
    timestamp: int
    commitment: Commitment
