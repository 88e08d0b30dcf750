"""What a token, curve or pool is worth by its newest state: pure functions of records and rates, all in Decimal."""

from collections.abc import Mapping
from decimal import Decimal

from app.domain.money import ZERO, ratio_price, spot_price, whole
from app.domain.programs import Protocol, Stage
from app.domain.records import CurveState, PoolState, TokenRecord

Rates = Mapping[str, Decimal]
"""US dollars per whole quote token, by quote mint; only rates that are fresh."""

PUMP_BASE_SOLD = 793_100_000 * 10**6
"""Raw tokens that a standard pump.fun curve sells (PROGRAMS.md, "pump curve and fees")."""
PUMP_BASE_KEPT = 279_900_000 * 10**6
"""Raw virtual tokens that remain when a standard pump.fun curve is sold out: 1,073 M less 793.1 M."""
PUMP_SUPPLY = 10**9 * 10**6
"""Raw supply of every pump.fun launch outside mayhem mode."""
ONE = Decimal(1)


def total_supply(token: TokenRecord) -> int | None:
    """Raw supply; where the launch was not indexed, the one supply that pump.fun mints, else None."""
    if token.total_supply is None and token.protocol is Protocol.PUMP_FUN:
        return PUMP_SUPPLY
    return token.total_supply


def price_usd(token: TokenRecord, rates: Rates) -> Decimal | None:
    """Newest spot in USD."""
    rate = rates.get(token.quote_mint)
    return None if rate is None or token.price is None else token.price * rate


def market_cap(token: TokenRecord, rates: Rates) -> Decimal | None:
    """Newest spot times supply, in USD."""
    price, supply = price_usd(token, rates), total_supply(token)
    return None if price is None or supply is None else price * whole(supply, token.decimals)


def liquidity(token: TokenRecord, rates: Rates) -> Decimal | None:
    """Depth in USD: real quote of the curve before, both sides of every known pool after graduation."""
    if token.stage is Stage.GRADUATED:
        depths = [depth for pool in token.pools if (depth := pool_liquidity(pool, rates)) is not None]
        return sum(depths, ZERO) if depths else None
    rate = rates.get(token.quote_mint)
    if token.curve is None or token.curve.real_quote_reserves is None or rate is None:
        return None
    return whole(token.curve.real_quote_reserves, token.quote_decimals) * rate


def pool_price(pool: PoolState) -> Decimal | None:
    """Spot of a pool in whole quote tokens."""
    return spot_price(pool.virtual_quote_reserves, pool.base_reserves, None, pool.quote_decimals, pool.base_decimals)


def pool_liquidity(pool: PoolState, rates: Rates) -> Decimal | None:
    """Both sides of a pool in USD, the token side at the pool's own spot."""
    rate, spot = rates.get(pool.quote_mint), pool_price(pool)
    if rate is None or spot is None or pool.quote_reserves is None or pool.base_reserves is None:
        return None
    quote = whole(pool.quote_reserves, pool.quote_decimals)
    return (quote + whole(pool.base_reserves, pool.base_decimals) * spot) * rate


def progress(curve: CurveState) -> Decimal:
    """Part of the curve sold, 0 to 1; 0 as long as no record told a reserve.

    pump: 1 − real tokens left / real tokens offered. Where the launch was not indexed, the offer follows from the
    constant product, and where old events lack real reserves, from the standard curve. Meteora DBC: quote raised by
    the quote at which the config migrates.
    """
    return min(max(_progress(curve), ZERO), ONE)


def _progress(curve: CurveState) -> Decimal:
    if curve.protocol is Protocol.METEORA_DBC:
        if curve.real_quote_reserves is None or not curve.migration_threshold:
            return ZERO
        return Decimal(curve.real_quote_reserves) / curve.migration_threshold
    left, offered = _base_left(curve), curve.initial_real_base_reserves or _offered(curve) or PUMP_BASE_SOLD
    return ZERO if left is None else ONE - Decimal(left) / offered


def passed_percent(curve: CurveState, base_out: int, quote_in: int) -> bool:
    """Whether a trade, which took so many raw tokens out of a curve and put so much raw quote in (less than 0: the
    other way), moved its progress over a whole per cent; `curve` is after it."""
    if curve.protocol is Protocol.METEORA_DBC:
        sold, offered, moved = curve.real_quote_reserves, curve.migration_threshold, quote_in
    else:
        left, moved = _base_left(curve), base_out
        offered = curve.initial_real_base_reserves or _offered(curve) or PUMP_BASE_SOLD
        sold = None if left is None else offered - left
    if sold is None or not offered:
        return False
    return _whole_percent(sold - moved, offered) != _whole_percent(sold, offered)


def _whole_percent(sold: int, offered: int) -> int:
    return min(max(100 * sold // offered, 0), 100)


def _base_left(curve: CurveState) -> int | None:
    if curve.real_base_reserves is not None or curve.virtual_base_reserves is None:
        return curve.real_base_reserves
    return curve.virtual_base_reserves - PUMP_BASE_KEPT


def _offered(curve: CurveState) -> int | None:
    """What a pump curve had to sell: virtual tokens at zero quote, less those that it keeps."""
    kept, product, opening_quote = _kept(curve), _product(curve), _opening_quote(curve)
    if kept is None or product is None or not opening_quote:
        return None
    return (2 * product + opening_quote) // (2 * opening_quote) - kept


def _kept(curve: CurveState) -> int | None:
    """Virtual tokens that remain when a pump curve is sold out."""
    if curve.virtual_base_reserves is None:
        return None
    if curve.real_base_reserves is None:
        return PUMP_BASE_KEPT
    return curve.virtual_base_reserves - curve.real_base_reserves


def _product(curve: CurveState) -> int | None:
    if curve.virtual_base_reserves is None or curve.virtual_quote_reserves is None:
        return None
    return curve.virtual_base_reserves * curve.virtual_quote_reserves


def _opening_quote(curve: CurveState) -> int | None:
    if curve.virtual_quote_reserves is None or curve.real_quote_reserves is None:
        return None
    return curve.virtual_quote_reserves - curve.real_quote_reserves


def quote_to_graduation(curve: CurveState) -> int | None:
    """Raw quote still to come in, before fees; None where the state does not tell.

    pump: constant product / virtual tokens at the end − virtual quote now. Meteora DBC: threshold − quote raised.
    """
    if curve.protocol is Protocol.METEORA_DBC:
        if curve.migration_threshold is None:
            return None
        return max(curve.migration_threshold - (curve.real_quote_reserves or 0), 0)
    kept, product, quote = _kept(curve), _product(curve), curve.virtual_quote_reserves
    if not kept or product is None or quote is None:
        return None
    return max(-(-product // kept) - quote, 0)


def graduation_price(curve: CurveState, quote_decimals: int, base_decimals: int) -> Decimal | None:
    """Spot at which a pump curve is full, in whole quote tokens. None for Meteora DBC: its curve is in the config."""
    kept, product = _kept(curve), _product(curve)
    if curve.protocol is Protocol.METEORA_DBC or not kept or product is None:
        return None
    return ratio_price(-(-product // kept), kept, quote_decimals, base_decimals)
