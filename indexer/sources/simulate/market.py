"""The simulated market: tokens with their curves and pools, and who trades what next. Pure state, seeded, no clock."""

from enum import IntEnum
from random import Random
from typing import Final

import msgspec

from app.domain import arithmetic
from indexer.sources.simulate import shape

PUMP_VIRTUAL_QUOTE: Final = 30 * shape.LAMPORTS
PUMP_VIRTUAL_BASE: Final = 1_073_000_000_000_000
PUMP_REAL_BASE: Final = 793_100_000_000_000
PUMP_SUPPLY: Final = 1_000_000_000_000_000
PUMP_POOL_BASE: Final = 206_900_000_000_000
"""Tokens that migration moves into the pool, raw."""
PUMP_MIGRATION_FEE: Final = 15_000_001
DBC_SQRT_START: Final = 101_036_000_000_000_000
"""About 3e-8 SOL a token, Q64.64."""
DBC_SQRT_END: Final = 336_780_000_000_000_000
DBC_THRESHOLD: Final = 80 * shape.LAMPORTS
DBC_LIQUIDITY: Final = arithmetic.ceil_div(DBC_THRESHOLD << 128, DBC_SQRT_END - DBC_SQRT_START)
DBC_CURVE_BASE: Final = arithmetic.base_between(DBC_SQRT_START, DBC_SQRT_END, DBC_LIQUIDITY, round_up=True)
DBC_SUPPLY: Final = 1_000_000_000_000_000
DBC_FEE_BPS: Final = 100
DBC_FEES: Final = (0, DBC_FEE_BPS, 0)
CURVE_FEES: Final = (0, 95, 30)
MAX_HOLDERS: Final = 120
"""Wallets of a token that may sell again; more would only make the resume state large."""
MIGRATION_SLOTS: Final = 4
_DUST: Final = 1_000


class Venue(IntEnum):
    """Where a token trades now."""

    PUMP_CURVE = 1
    PUMP_POOL = 2
    DBC_CURVE = 3
    FULL = 4
    """Curve complete, liquidity not yet moved."""
    GONE = 5
    """Moved to a pool of a program that is not indexed (DAMM v2)."""


CURVE: Final = Venue.PUMP_CURVE
POOL: Final = Venue.PUMP_POOL
DBC: Final = Venue.DBC_CURVE
_CLOSED: Final = frozenset({Venue.FULL, Venue.GONE})


class Token(msgspec.Struct, kw_only=True):
    """One launched token with its newest state; `virtual_*` and `real_*` of the venue that it trades on, raw."""

    number: int
    creator: int
    is_dbc: bool
    momentum: float
    venue: Venue
    virtual_quote: int = PUMP_VIRTUAL_QUOTE
    virtual_base: int = PUMP_VIRTUAL_BASE
    real_quote: int = 0
    real_base: int = PUMP_REAL_BASE
    sqrt_price: int = 0
    full_since: int = 0
    holdings: dict[int, int] = {}
    """Raw balance by wallet number."""
    holders: list[int] = []
    """The wallets of `holdings` in its order, to draw one from."""


class Swap(msgspec.Struct, frozen=True, gc=False):
    """A trade that the market decided and already applied to the token."""

    token: Token
    venue: Venue
    """Where it happened; the token may be full or elsewhere now."""
    wallet: int
    is_buy: bool
    base: int
    quote: int
    """Before fees."""
    completes: bool
    balance: int
    """The wallet's holding afterwards, raw."""
    before: tuple[int, int]
    """Real (base, quote) reserves before the trade."""
    fees: tuple[int, int, int]
    """Liquidity, protocol and creator fee in basis points."""


def new_token(number: int, creator: int, rng: Random) -> Token:
    """A token at its opening price."""
    momentum = shape.momentum(rng)
    if rng.random() >= shape.DBC_SHARE:
        return Token(number=number, creator=creator, is_dbc=False, momentum=momentum, venue=CURVE)
    return Token(
        number=number,
        creator=creator,
        is_dbc=True,
        momentum=momentum,
        venue=DBC,
        virtual_quote=0,
        virtual_base=0,
        real_base=DBC_CURVE_BASE,
        sqrt_price=DBC_SQRT_START,
    )


def interest(token: Token) -> int:
    """How much holds traders at a token: the quote in it; a full curve awaits its migration, whatever else."""
    if token.venue is Venue.GONE:
        return -1
    return 1 << 64 if token.venue is Venue.FULL else token.real_quote


def fees_of(token: Token) -> tuple[int, int, int]:
    """Liquidity, protocol and creator fee in basis points; of a pool by its market cap before the trade."""
    if token.venue is CURVE:
        return CURVE_FEES
    if token.venue is DBC:
        return DBC_FEES
    market_cap = token.real_quote * PUMP_SUPPLY // token.real_base // shape.LAMPORTS
    return arithmetic.pool_fee_bps(market_cap)


def migrate(token: Token) -> int:
    """Moves a full curve's liquidity; the quote moved, lamports."""
    if token.is_dbc:
        token.venue = Venue.GONE
        return token.real_quote
    token.venue = POOL
    token.real_quote -= PUMP_MIGRATION_FEE
    token.real_base = PUMP_POOL_BASE
    token.virtual_quote, token.virtual_base = token.real_quote, token.real_base
    return token.real_quote


def trade(token: Token, rng: Random, wallets: int) -> Swap | None:
    """The next trade of a token, applied to it; None where it cannot trade. `wallets`: how many exist."""
    if token.venue in _CLOSED:
        return None
    if rng.random() < shape.MOOD_SWINGS:
        token.momentum = shape.momentum(rng)
    holders = token.holders
    if not holders or rng.random() < token.momentum:
        return buy(token, _buyer(holders, rng, wallets), shape.buy_lamports(rng))
    return _sell(token, int(rng.random() * len(holders)), shape.SOLD_QUARTERS[rng.getrandbits(3)])


def _buyer(holders: list[int], rng: Random, wallets: int) -> int:
    if len(holders) >= MAX_HOLDERS:
        return holders[int(rng.random() * len(holders))]
    # The square makes few wallets busy and most of them rare.
    return int(rng.random() ** 2 * wallets)


def buy(token: Token, wallet: int, quote_in: int) -> Swap | None:
    """A buy for at most `quote_in` lamports before fees; None when that buys nothing."""
    venue = token.venue
    before, fees = (token.real_base, token.real_quote), fees_of(token)
    if venue is CURVE:
        base, quote = _buy_curve(token, quote_in)
    elif venue is DBC:
        base, quote = _buy_dbc(token, quote_in)
    else:
        base, quote = _buy_pool(token, quote_in, fees[0])
    if base <= 0:
        return None
    held = token.holdings.get(wallet)
    if held is None:
        token.holders.append(wallet)
    balance = base if held is None else held + base
    token.holdings[wallet] = balance
    is_full = venue is not POOL and token.real_base == 0
    if is_full:
        token.venue = Venue.FULL
    return Swap(token, venue, wallet, True, base, quote, is_full, balance, before, fees)


def _buy_curve(token: Token, quote_in: int) -> tuple[int, int]:
    wanted = arithmetic.curve_base_for(quote_in, token.virtual_quote, token.virtual_base)
    base = min(wanted, token.real_base)
    if base <= 0:
        return 0, 0
    quote = arithmetic.curve_cost(base, token.virtual_quote, token.virtual_base)
    token.virtual_quote += quote
    token.virtual_base -= base
    token.real_quote += quote
    token.real_base -= base
    return base, quote


def _buy_dbc(token: Token, quote_in: int) -> tuple[int, int]:
    upper = min(arithmetic.sqrt_price_after_quote_in(token.sqrt_price, DBC_LIQUIDITY, quote_in), DBC_SQRT_END)
    if upper == token.sqrt_price:
        return 0, 0
    quote = arithmetic.quote_between(token.sqrt_price, upper, DBC_LIQUIDITY, round_up=True)
    base = arithmetic.base_between(token.sqrt_price, upper, DBC_LIQUIDITY, round_up=False)
    base = token.real_base if upper == DBC_SQRT_END else min(base, token.real_base)
    token.sqrt_price = upper
    token.real_quote += quote
    token.real_base -= base
    return base, quote


def _buy_pool(token: Token, quote_in: int, lp_bps: int) -> tuple[int, int]:
    base = arithmetic.pool_base_for(quote_in, token.real_quote, token.real_base)
    if base <= 0:
        return 0, 0
    quote = arithmetic.pool_cost(base, token.real_quote, token.real_base)
    token.real_base -= base
    token.real_quote += quote + arithmetic.fee_of(quote, lp_bps)
    return base, quote


def _sell(token: Token, place: int, quarters: int) -> Swap | None:
    """A sale of so many quarters of what the holder at this place holds; None when that brings nothing."""
    wallet = token.holders[place]
    held = token.holdings[wallet]
    base = held if held < _DUST else held * quarters // 4
    before, fees = (token.real_base, token.real_quote), fees_of(token)
    sqrt_price, quote = _proceeds(token, base)
    if quote <= 0:
        return None
    token.sqrt_price = sqrt_price
    token.real_base += base
    token.real_quote -= quote
    if token.venue is CURVE:
        token.virtual_quote -= quote
        token.virtual_base += base
    elif token.venue is POOL:
        token.real_quote += arithmetic.fee_of(quote, fees[0])
    balance = held - base
    if balance:
        token.holdings[wallet] = balance
    else:
        del token.holdings[wallet], token.holders[place]
    return Swap(token, token.venue, wallet, False, base, quote, False, balance, before, fees)


def _proceeds(token: Token, base: int) -> tuple[int, int]:
    """Square-root price after the sale (DBC) and quote before fees; nothing is applied."""
    if token.venue is CURVE:
        return 0, arithmetic.curve_proceeds(base, token.virtual_quote, token.virtual_base)
    if token.venue is POOL:
        return 0, arithmetic.curve_proceeds(base, token.real_quote, token.real_base)
    lower = max(arithmetic.sqrt_price_after_base_in(token.sqrt_price, DBC_LIQUIDITY, base), DBC_SQRT_START)
    quote = arithmetic.quote_between(lower, token.sqrt_price, DBC_LIQUIDITY, round_up=False)
    return lower, min(quote, token.real_quote)
