"""What SQL computes of a row: spot price, values in USD, liquidity, curve progress.

`app.domain.valuation` is the same in Python, for records; a test holds them equal.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Numeric, and_, case, cast, func, literal, null, select

from app.domain.programs import Protocol, Side, Stage, TradeProgram
from app.domain.valuation import ONE, PUMP_BASE_KEPT, PUMP_BASE_SOLD, PUMP_SUPPLY
from app.store.tables import tokens, trades, venues

Number = ColumnElement[Any]
_Q128 = Decimal(1 << 128)


def tenth_power(exponent: Number) -> Number:
    """10 to a whole power, exact. Multiply with it: numeric division rounds to about 16 digits."""
    return func.power(literal(Decimal(10), Numeric), cast(exponent, Numeric))


def spot_price(state: FromClause, base_decimals: Number, quote_decimals: Number) -> Number:
    """`app.domain.money.spot_price` of the reserve columns of `state`, to 40 decimals before scaling."""
    by_sqrt = cast(state.c.sqrt_price, Numeric(79, 40)) * state.c.sqrt_price / literal(_Q128, Numeric)
    by_reserves = cast(state.c.virtual_quote_reserves, Numeric(60, 40)) / func.nullif(state.c.virtual_base_reserves, 0)
    raw = case((state.c.sqrt_price.is_not(None), by_sqrt), else_=by_reserves)
    return raw * tenth_power(base_decimals - quote_decimals)


def trade_spot() -> Number:
    """Spot after a trade, in whole quote tokens; needs `trades`, `tokens` and `venues` in the FROM."""
    return spot_price(trades, tokens.c.decimals, venues.c.quote_decimals)


def trade_quote(trade: FromClause = trades, venue: FromClause = venues) -> Number:
    """Quote amount of a trade in whole quote tokens."""
    return trade.c.quote_amount * tenth_power(-venue.c.quote_decimals)


def trade_volume_usd(trade: FromClause = trades, venue: FromClause = venues) -> Number:
    """Value of a trade in USD; NULL without a rate."""
    return trade_quote(trade, venue) * trade.c.quote_usd


def trade_price_usd() -> Number:
    """Price paid in USD; NULL without a rate."""
    paid = cast(trades.c.quote_amount, Numeric(60, 40)) / func.nullif(trades.c.base_amount, 0)
    return paid * tenth_power(tokens.c.decimals - venues.c.quote_decimals) * trades.c.quote_usd


def trade_spot_usd() -> Number:
    """Spot after a trade in USD, at the rate of its time; NULL without one."""
    return trade_spot() * trades.c.quote_usd


def trade_market_cap() -> Number:
    """Spot after a trade times the supply, in USD at the rate of its time."""
    return trade_spot_usd() * _supply() * tenth_power(-tokens.c.decimals)


def trade_liquidity() -> Number:
    """Depth of its venue after a trade, in USD at the rate of its time: real quote of a curve, both sides of a pool."""
    quote = trades.c.real_quote_reserves * tenth_power(-venues.c.quote_decimals)
    base = trades.c.real_base_reserves * tenth_power(-tokens.c.decimals)
    depth = case((venues.c.kind == TradeProgram.AMM_POOL, quote + base * trade_spot()), else_=quote)
    return depth * trades.c.quote_usd


def trade_progress() -> Number:
    """Part of the curve sold after a trade, 0 to 1; 1 of a trade on a pool, which a full curve came before."""
    return case((venues.c.kind == TradeProgram.AMM_POOL, literal(ONE, Numeric)), else_=_progress(trades))


def trade_passed_percent() -> ColumnElement[bool]:
    """`app.domain.valuation.passed_percent` of a trade on a curve; in whole numbers, so that it is exact."""
    sign = case((trades.c.side == Side.BUY, 1), else_=-1)
    is_dbc = venues.c.protocol == Protocol.METEORA_DBC
    left = func.coalesce(trades.c.real_base_reserves, trades.c.virtual_base_reserves - PUMP_BASE_KEPT)
    of_pump = func.coalesce(
        func.nullif(venues.c.initial_real_base_reserves, 0), func.nullif(_offered(trades), 0), PUMP_BASE_SOLD
    )
    offered = case((is_dbc, venues.c.migration_threshold), else_=of_pump)
    sold = case((is_dbc, trades.c.real_quote_reserves), else_=of_pump - left)
    moved = sign * case((is_dbc, trades.c.quote_amount), else_=trades.c.base_amount)
    passed = _whole_percent(sold - moved, offered) != _whole_percent(sold, offered)
    return and_(venues.c.kind == TradeProgram.BONDING_CURVE, passed)


def _whole_percent(sold: Number, offered: Number) -> Number:
    return func.least(func.greatest(func.div(100 * sold, func.nullif(offered, 0)), 0), 100)


def quote_usd(quote_mint: Number, rates: Mapping[str, Decimal]) -> Number:
    """US dollars per whole quote token of a column of quote mints, by the fresh rates; NULL for others."""
    if not rates:
        return null()
    return case({mint: literal(usd, Numeric) for mint, usd in rates.items()}, value=quote_mint, else_=null())


def token_price_usd(rates: Mapping[str, Decimal]) -> Number:
    return tokens.c.price * quote_usd(tokens.c.quote_mint, rates)


def token_market_cap(rates: Mapping[str, Decimal]) -> Number:
    return token_price_usd(rates) * _supply() * tenth_power(-tokens.c.decimals)


def _supply() -> Number:
    of_pump = case((tokens.c.protocol == Protocol.PUMP_FUN, PUMP_SUPPLY), else_=null())
    return func.coalesce(tokens.c.total_supply, of_pump)


def token_liquidity(rates: Mapping[str, Decimal]) -> Number:
    """Depth in USD: real quote of the curve before, both sides of every pool after graduation."""
    usd = quote_usd(venues.c.quote_mint, rates)
    quote = venues.c.real_quote_reserves * tenth_power(-venues.c.quote_decimals)
    base = venues.c.real_base_reserves * tenth_power(-tokens.c.decimals)
    spot = spot_price(venues, tokens.c.decimals, venues.c.quote_decimals)
    of_token = venues.c.token_id == tokens.c.id
    curve = select(func.max(quote * usd)).where(of_token, venues.c.kind == TradeProgram.BONDING_CURVE)
    pools = select(func.sum((quote + base * spot) * usd)).where(of_token, venues.c.kind == TradeProgram.AMM_POOL)
    return case(
        (tokens.c.stage == Stage.GRADUATED, pools.correlate(tokens).scalar_subquery()),
        else_=curve.correlate(tokens).scalar_subquery(),
    )


def token_progress() -> Number:
    """Part of the curve sold, 0 to 1; NULL where the curve was never indexed. See `app.domain.valuation.progress`."""
    of_token = (venues.c.token_id == tokens.c.id, venues.c.kind == TradeProgram.BONDING_CURVE)
    return select(func.max(_progress())).where(*of_token).correlate(tokens).scalar_subquery()


def _progress(state: FromClause = venues) -> Number:
    """By the reserves of `state`, and what its venue offered and wants for migration."""
    by_quote = cast(state.c.real_quote_reserves, Numeric(60, 40)) / func.nullif(venues.c.migration_threshold, 0)
    of_dbc = func.coalesce(by_quote, 0)
    left = func.coalesce(state.c.real_base_reserves, state.c.virtual_base_reserves - PUMP_BASE_KEPT)
    offered = func.coalesce(venues.c.initial_real_base_reserves, _offered(state), PUMP_BASE_SOLD)
    of_pump = func.coalesce(1 - cast(left, Numeric(60, 40)) / func.nullif(offered, 0), 0)
    share = case((venues.c.protocol == Protocol.METEORA_DBC, of_dbc), else_=of_pump)
    return func.least(func.greatest(share, 0), 1)


def _offered(state: FromClause) -> Number:
    """What a pump curve had to sell, from its constant product."""
    opening_quote = state.c.virtual_quote_reserves - state.c.real_quote_reserves
    product = cast(state.c.virtual_quote_reserves, Numeric) * state.c.virtual_base_reserves
    opening_base = product / func.nullif(opening_quote, 0)
    return func.round(opening_base) - (state.c.virtual_base_reserves - state.c.real_base_reserves)
