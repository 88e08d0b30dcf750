"""What the three programs compute, to the lamport: curve and pool swaps and fees in raw integers.

Sources: pump and PumpSwap: PROGRAMS.md "Prices" and "curve and fees", checked against every recorded trade (a buy costs
one unit more than the floor, fees round up). Meteora DBC: "Dynamic Bonding Curve: formulas" of the Meteora
documentation; square-root prices are Q64.64, liquidity is scaled by 2^64.
"""

from bisect import bisect_right
from typing import Final

BPS: Final = 10_000
_Q128: Final = 1 << 128
POOL_FEE_TIERS: Final = (
    (0, (2, 93, 30)),
    (420, (20, 5, 95)),
    (1_470, (20, 5, 90)),
    (2_460, (20, 5, 85)),
    (3_440, (20, 5, 80)),
    (4_420, (20, 5, 75)),
    (9_820, (20, 5, 70)),
    (14_740, (20, 5, 65)),
    (19_650, (20, 5, 60)),
    (24_560, (20, 5, 55)),
    (29_470, (20, 5, 50)),
)
"""PumpSwap canonical pools, SOL quote: (market cap in SOL from, (liquidity, protocol, creator) basis points); FeeConfig
account at slot 447,586,368. Higher tiers only lower the creator fee further."""
_POOL_FEE_BOUNDS: Final = [bound for bound, _ in POOL_FEE_TIERS]


def ceil_div(numerator: int, denominator: int) -> int:
    """Integer division rounded up."""
    return -(-numerator // denominator)


def fee_of(amount: int, bps: int) -> int:
    """Fee on an amount, rounded up, in the amount's unit."""
    return -(-amount * bps // BPS)


def pool_fee_bps(market_cap_sol: int) -> tuple[int, int, int]:
    """PumpSwap canonical pool: (liquidity, protocol, creator) basis points at a market cap in SOL."""
    return POOL_FEE_TIERS[bisect_right(_POOL_FEE_BOUNDS, market_cap_sol) - 1][1]


def curve_cost(base_out: int, virtual_quote: int, virtual_base: int) -> int:
    """pump: quote that buying exactly `base_out` costs before fees."""
    return base_out * virtual_quote // (virtual_base - base_out) + 1


def curve_base_for(quote_in: int, virtual_quote: int, virtual_base: int) -> int:
    """pump: the most base that costs no more than `quote_in` before fees."""
    if quote_in <= 1:
        return 0
    return (quote_in - 1) * virtual_base // (virtual_quote + quote_in - 1)


def curve_proceeds(base_in: int, virtual_quote: int, virtual_base: int) -> int:
    """pump and PumpSwap: quote that selling `base_in` gives before fees."""
    return base_in * virtual_quote // (virtual_base + base_in)


def pool_cost(base_out: int, quote_reserves: int, base_reserves: int) -> int:
    """PumpSwap: quote that buying exactly `base_out` costs before fees; quote reserves with boost's virtual quote."""
    return ceil_div(quote_reserves * base_out, base_reserves - base_out)


def pool_base_for(quote_in: int, quote_reserves: int, base_reserves: int) -> int:
    """PumpSwap: the most base that costs no more than `quote_in` before fees."""
    return base_reserves * quote_in // (quote_reserves + quote_in)


def sqrt_price_after_quote_in(sqrt_price: int, liquidity: int, quote_in: int) -> int:
    """DBC: square-root price after `quote_in` (fee taken) entered one range of the curve."""
    return sqrt_price + quote_in * _Q128 // liquidity


def sqrt_price_after_base_in(sqrt_price: int, liquidity: int, base_in: int) -> int:
    """DBC: square-root price after `base_in` entered one range of the curve, rounded up."""
    return ceil_div(liquidity * sqrt_price, liquidity + base_in * sqrt_price)


def quote_between(lower: int, upper: int, liquidity: int, *, round_up: bool) -> int:
    """DBC: quote that moves the square-root price between two points of one range."""
    product = liquidity * (upper - lower)
    return ceil_div(product, _Q128) if round_up else product // _Q128


def base_between(lower: int, upper: int, liquidity: int, *, round_up: bool) -> int:
    """DBC: base that moves the square-root price between two points of one range."""
    numerator, denominator = liquidity * (upper - lower), lower * upper
    return ceil_div(numerator, denominator) if round_up else numerator // denominator
