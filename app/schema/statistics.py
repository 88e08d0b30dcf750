"""GraphQL types of figures over time: statistics of a window, highs and lows."""

from decimal import Decimal

import strawberry

from app.domain.money import whole
from app.domain.programs import WSOL
from app.domain.records import TokenRecord
from app.domain.valuation import price_usd, total_supply
from app.schema.context import Context
from app.schema.enums import StatsWindow
from app.schema.scalars import DateTime
from app.schema.views import StatsView

_PER_CENT = 100


def change(now: Decimal | None, then: Decimal | None) -> float | None:
    """Relative change in per cent; null without a value to compare with."""
    return None if now is None or not then else float((now - then) / then * _PER_CENT)


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _volume_usd(view: strawberry.Parent[StatsView]) -> float:
    return float(view.stats.volume_usd)


def _volume_quote(view: strawberry.Parent[StatsView]) -> float:
    return float(view.stats.volume_quote)


def _buy_volume_usd(view: strawberry.Parent[StatsView]) -> float:
    return float(view.stats.buy_volume_usd)


def _sell_volume_usd(view: strawberry.Parent[StatsView]) -> float:
    return float(view.stats.sell_volume_usd)


def _trade_count(view: strawberry.Parent[StatsView]) -> int:
    return view.stats.trades


def _buy_count(view: strawberry.Parent[StatsView]) -> int:
    return view.stats.buys


def _sell_count(view: strawberry.Parent[StatsView]) -> int:
    return view.stats.sells


def _traders(view: strawberry.Parent[StatsView]) -> int:
    return view.stats.traders


def _buyers(view: strawberry.Parent[StatsView]) -> int:
    return view.stats.buyers


def _sellers(view: strawberry.Parent[StatsView]) -> int:
    return view.stats.sellers


def _open(view: strawberry.Parent[StatsView]) -> float | None:
    if view.past is None or view.past.quote_usd is None:
        return None
    return float(view.past.quote * view.past.quote_usd)


def _high(view: strawberry.Parent[StatsView]) -> float | None:
    return _float(view.stats.high_usd)


def _low(view: strawberry.Parent[StatsView]) -> float | None:
    return _float(view.stats.low_usd)


def _close(view: strawberry.Parent[StatsView]) -> float | None:
    return _float(view.price_usd)


def _price_change(view: strawberry.Parent[StatsView]) -> float | None:
    """Of the spot in quote tokens, as `Token.priceChange24h`."""
    return change(view.price, view.past.quote if view.past is not None else None)


def _volume_change(view: strawberry.Parent[StatsView]) -> float | None:
    return change(view.stats.volume_usd, view.stats.volume_usd_before)


def _fees_usd(view: strawberry.Parent[StatsView]) -> float:
    """Priority fees are in SOL: where another quote is traded, they count by the newest SOL rate."""
    elsewhere = whole(view.stats.priority_lamports_elsewhere, 9) * (view.sol_usd or 0)
    return float(view.stats.fees_usd + elsewhere)


@strawberry.type(description="Statistics of one window.")
class TokenStats:
    window: StatsWindow = strawberry.field(description="Window.")
    volume_usd = strawberry.field(resolver=_volume_usd, description="Volume in USD.")
    volume_sol = strawberry.field(resolver=_volume_quote, description="Volume in quote tokens.")
    buy_volume_usd = strawberry.field(resolver=_buy_volume_usd, description="Buy volume in USD.")
    sell_volume_usd = strawberry.field(resolver=_sell_volume_usd, description="Sell volume in USD.")
    trade_count = strawberry.field(resolver=_trade_count, description="Trades.")
    buy_count = strawberry.field(resolver=_buy_count, description="Buys.")
    sell_count = strawberry.field(resolver=_sell_count, description="Sells.")
    traders = strawberry.field(resolver=_traders, description="Distinct traders.")
    buyers = strawberry.field(resolver=_buyers, description="Distinct buyers.")
    sellers = strawberry.field(resolver=_sellers, description="Distinct sellers.")
    open = strawberry.field(resolver=_open, description="Price at the window's start in USD.")
    high = strawberry.field(resolver=_high, description="Highest price in USD.")
    low = strawberry.field(resolver=_low, description="Lowest price in USD.")
    close = strawberry.field(resolver=_close, description="Newest price in USD.")
    price_change = strawberry.field(resolver=_price_change, description="Relative price change in per cent.")
    volume_change = strawberry.field(
        resolver=_volume_change, description="Relative volume change in per cent against the window before."
    )
    fees_usd = strawberry.field(resolver=_fees_usd, description="Fees, priority fees and tips in USD.")


async def window_stats(context: Context, token: TokenRecord, window: StatsWindow) -> StatsView | None:
    """The statistics of the window that ends at the head."""
    loaders, key = context.loaders, (token.token_id, window.seconds)
    stats, past, rates = loaders.stats.load(key), loaders.past_price.load(key), await loaders.rates()
    found = await stats
    return (
        None
        if found is None
        else StatsView(
            window=window,
            stats=found,
            past=await past,
            price=token.price,
            price_usd=price_usd(token, rates),
            sol_usd=rates.get(WSOL),
        )
    )


def _ath_price(token: strawberry.Parent[TokenRecord]) -> float | None:
    return _float(token.ath_price_usd)


def _atl_price(token: strawberry.Parent[TokenRecord]) -> float | None:
    return _float(token.atl_price_usd)


def _ath_market_cap(token: strawberry.Parent[TokenRecord]) -> float | None:
    supply = total_supply(token)
    if supply is None or token.ath_price_usd is None:
        return None
    return float(token.ath_price_usd * whole(supply, token.decimals))


@strawberry.type(description="Highs and lows since launch.")
class TokenExtremes:
    ath_price = strawberry.field(resolver=_ath_price, graphql_type=float, description="Highest price in USD.")
    ath_at: DateTime = strawberry.field(name="athPriceAt", description="Time of it.")
    ath_market_cap = strawberry.field(resolver=_ath_market_cap, description="Highest market cap in USD.")
    atl_price = strawberry.field(resolver=_atl_price, graphql_type=float, description="Lowest price in USD.")
    atl_at: DateTime = strawberry.field(name="atlPriceAt", description="Time of it.")
