"""GraphQL type of a candle."""

from decimal import Decimal

import strawberry

from app.domain.candles import Interval
from app.schema.context import Info
from app.schema.enums import ChartUnit
from app.schema.keys import CandleKey
from app.schema.scalars import DateTime
from app.schema.views import CandleView


def _price(view: CandleView, quote: Decimal, usd: Decimal | None) -> float:
    """The price in the chart's unit. Charts in USD hold only candles with a USD price, see `app.schema.charts`."""
    if view.unit is ChartUnit.QUOTE or usd is None:
        return float(quote)
    if view.unit is ChartUnit.MARKET_CAP_USD and view.supply is not None:
        return float(usd * view.supply)
    return float(usd)


def _open(view: strawberry.Parent[CandleView]) -> float:
    return _price(view, view.candle.open, view.candle.open_usd)


def _high(view: strawberry.Parent[CandleView]) -> float:
    return _price(view, view.candle.high, view.candle.high_usd)


def _low(view: strawberry.Parent[CandleView]) -> float:
    return _price(view, view.candle.low, view.candle.low_usd)


def _close(view: strawberry.Parent[CandleView]) -> float:
    return _price(view, view.candle.close, view.candle.close_usd)


def _time(view: strawberry.Parent[CandleView]) -> int:
    return view.candle.time


def _open_time(view: strawberry.Parent[CandleView]) -> DateTime:
    return view.candle.time  # type: ignore[return-value]  # the scalar takes Unix seconds


def _interval(view: strawberry.Parent[CandleView]) -> Interval:
    return view.candle.interval


def _volume(view: strawberry.Parent[CandleView]) -> float:
    return float(view.candle.volume_usd)


def _volume_sol(view: strawberry.Parent[CandleView]) -> float:
    return float(view.candle.volume)


def _buy_volume(view: strawberry.Parent[CandleView]) -> float:
    return float(view.candle.buy_volume_usd)


def _sell_volume(view: strawberry.Parent[CandleView]) -> float:
    return float(view.candle.sell_volume_usd)


def _trades(view: strawberry.Parent[CandleView]) -> int:
    return view.candle.trades


def _buys(view: strawberry.Parent[CandleView]) -> int:
    return view.candle.buys


def _sells(view: strawberry.Parent[CandleView]) -> int:
    return view.candle.sells


def _revision(view: strawberry.Parent[CandleView]) -> int:
    return view.revision


async def _traders(view: strawberry.Parent[CandleView], info: Info) -> int:
    if view.is_filled:
        return 0
    key = CandleKey(view.token_id, view.candle.interval, view.candle.kind, view.candle.time)
    return await info.context.loaders.candle_traders.load(key)


def _market_cap_usd(view: strawberry.Parent[CandleView]) -> float | None:
    if view.supply is None or view.candle.close_usd is None:
        return None
    return float(view.candle.close_usd * view.supply)


@strawberry.type(name="Candle", description="Open, high, low, close and volume of one interval.")
class CandleType:
    time = strawberry.field(resolver=_time, description="First second of the interval.")
    open_time = strawberry.field(resolver=_open_time, description="Same, as a time.")
    interval = strawberry.field(resolver=_interval, description="Width.")
    open = strawberry.field(resolver=_open, description="First price.")
    high = strawberry.field(resolver=_high, description="Highest price.")
    low = strawberry.field(resolver=_low, description="Lowest price.")
    close = strawberry.field(resolver=_close, description="Last price.")
    volume = strawberry.field(resolver=_volume, description="Volume in USD.")
    volume_sol = strawberry.field(resolver=_volume_sol, description="Volume in quote tokens.")
    buy_volume = strawberry.field(resolver=_buy_volume, description="Buy volume in USD.")
    sell_volume = strawberry.field(resolver=_sell_volume, description="Sell volume in USD.")
    trades = strawberry.field(resolver=_trades, description="Trades.")
    buys = strawberry.field(resolver=_buys, description="Buys.")
    sells = strawberry.field(resolver=_sells, description="Sells.")
    traders = strawberry.field(resolver=_traders, description="Distinct traders.")
    market_cap_usd = strawberry.field(resolver=_market_cap_usd, description="Market cap at the close in USD.")
    is_final: bool = strawberry.field(
        description="Whether the interval is over and its trades are at the asked commitment."
    )
    revision = strawberry.field(
        resolver=_revision, description="Grows with every change, so that a late trade is seen as a correction."
    )
    is_filled: bool = strawberry.field(description="Whether the slot was filled rather than traded.")
