"""Prices as exact decimals: integers in, Decimal out, never a float.

Formulas (PROGRAMS.md, "Prices"): reserves: quote / base; Meteora DBC: (sqrt_price / 2^64)²; both scaled by decimals.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal

PRECISION = 38
"""Significant digits of a price. A ratio of two u64 needs at most 38 to be told from its neighbours."""
_CONTEXT = Context(prec=PRECISION, rounding=ROUND_HALF_EVEN)
_Q64_SQUARED = Decimal(1 << 128)
ZERO = Decimal(0)
_USD_STEP = Decimal("1e-12")


def ratio_price(quote: int, base: int, quote_decimals: int, base_decimals: int) -> Decimal | None:
    """Whole quote tokens per whole base token of two raw amounts; None when base is 0."""
    if base == 0:
        return None
    return _CONTEXT.divide(Decimal(quote), Decimal(base)).scaleb(base_decimals - quote_decimals, _CONTEXT)


def sqrt_price_to_price(sqrt_price: int, quote_decimals: int, base_decimals: int) -> Decimal:
    """Whole quote tokens per whole base token of a Q64.64 square-root price (Meteora DBC)."""
    raw = _CONTEXT.divide(_CONTEXT.multiply(Decimal(sqrt_price), Decimal(sqrt_price)), _Q64_SQUARED)
    return raw.scaleb(base_decimals - quote_decimals, _CONTEXT)


def spot_price(
    virtual_quote: int | None,
    virtual_base: int | None,
    sqrt_price: int | None,
    quote_decimals: int,
    base_decimals: int,
) -> Decimal | None:
    """The venue's own price from its state: by square-root price where it has one, else by reserves."""
    if sqrt_price is not None:
        return sqrt_price_to_price(sqrt_price, quote_decimals, base_decimals)
    if virtual_quote is None or virtual_base is None:
        return None
    return ratio_price(virtual_quote, virtual_base, quote_decimals, base_decimals)


def whole(amount: int, decimals: int) -> Decimal:
    """A raw amount in whole tokens, exact."""
    return Decimal(amount).scaleb(-decimals, _CONTEXT)


def multiply(left: Decimal, right: Decimal) -> Decimal:
    """A product to `PRECISION` digits, whatever the context of the caller."""
    return _CONTEXT.multiply(left, right)


def add(left: Decimal, right: Decimal) -> Decimal:
    """A sum to `PRECISION` digits, whatever the context of the caller."""
    return _CONTEXT.add(left, right)


def usd_volume(quote: Decimal, quote_usd: Decimal) -> Decimal:
    """US dollars of an amount in whole quote tokens, to a millionth of a millionth.

    The fixed scale makes sums of volumes exact, so that they do not depend on the order of their trades.
    """
    return _CONTEXT.multiply(quote, quote_usd).quantize(_USD_STEP, context=_CONTEXT)
