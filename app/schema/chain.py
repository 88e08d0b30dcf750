"""GraphQL types for a point on chain and for a price taken there."""

import time
from decimal import ROUND_HALF_EVEN, Decimal

import strawberry

from app.domain import records
from app.domain.money import sqrt_price_to_price
from app.domain.programs import WSOL, Commitment, TradeProgram
from app.domain.records import TokenRecord
from app.errors import NotIndexed
from app.schema.context import Context
from app.schema.scalars import BigDecimal, BigInt, DateTime
from app.schema.views import PriceView

FRESH_SECONDS = 60
"""Freshness promise of a price: taken at most so long before the head, in chain time."""
_MAX_INT = 2**31 - 1
_USD_EXACT = Decimal(1).scaleb(-18)


def _age_ms(point: strawberry.Parent[records.ChainPoint]) -> int:
    # The largest Int is 24 days: what is older is at least that old.
    return min(max(int((time.time() - point.time) * 1000), 0), _MAX_INT)


@strawberry.type(description="Slot with its time.")
class ChainPoint:
    slot: BigInt = strawberry.field(description="Slot.")
    time: DateTime = strawberry.field(description="Block time.")
    commitment: Commitment = strawberry.field(description="Certainty.")
    age_ms = strawberry.field(resolver=_age_ms, description="Milliseconds between block time and now.")


def _rate(price: PriceView) -> Decimal | None:
    return price.rates.get(price.quote_mint)


def _usd_value(price: PriceView) -> Decimal | None:
    rate = _rate(price)
    return None if rate is None else price.quote * rate


def _quote(price: strawberry.Parent[PriceView]) -> float:
    return float(price.quote)


def _sol(price: strawberry.Parent[PriceView]) -> float | None:
    if price.quote_mint == WSOL:
        return float(price.quote)
    usd, sol_usd = _usd_value(price), price.rates.get(WSOL)
    return None if usd is None or not sol_usd else float(usd / sol_usd)


def _usd(price: strawberry.Parent[PriceView]) -> float | None:
    usd = _usd_value(price)
    return None if usd is None else float(usd)


def _usd_exact(price: strawberry.Parent[PriceView]) -> BigDecimal | None:
    usd = _usd_value(price)
    return None if usd is None else BigDecimal(usd.quantize(_USD_EXACT, rounding=ROUND_HALF_EVEN))


def _quote_exact(price: strawberry.Parent[PriceView]) -> BigDecimal:
    return BigDecimal(price.quote)


def _quote_usd(price: strawberry.Parent[PriceView]) -> float | None:
    rate = _rate(price)
    return None if rate is None else float(rate)


def _stale(price: strawberry.Parent[PriceView]) -> bool:
    return price.head_time - price.as_of.time > FRESH_SECONDS


@strawberry.type(description="A price with where and when it was taken.")
class Price:
    quote = strawberry.field(
        resolver=_quote,
        description="In whole quote tokens (`quoteMint`; SOL for most launches, a stablecoin for some).",
    )
    sol = strawberry.field(
        resolver=_sol,
        description="In SOL: equal to `quote` where the quote is SOL, else by the newest rate; "
        "null without a fresh rate.",
    )
    usd = strawberry.field(resolver=_usd, description="In US dollars; null without a fresh quote-to-USD rate.")
    quote_exact = strawberry.field(resolver=_quote_exact, description="In quote tokens, exact.")
    usd_exact = strawberry.field(resolver=_usd_exact, description="In US dollars, exact to 18 digits.")
    quote_mint: str = strawberry.field(description="Quote mint.")
    quote_usd = strawberry.field(resolver=_quote_usd, description="Quote-to-USD rate used.")
    program: TradeProgram = strawberry.field(description="Curve or AMM.")
    as_of: ChainPoint = strawberry.field(description="Slot and time it was taken.")
    stale = strawberry.field(
        resolver=_stale,
        description="Whether it is older than the freshness promise; the value is still the last known one.",
    )


async def _opening_price(token: TokenRecord, context: Context) -> Decimal | None:
    """Meteora DBC tells no price at launch: that of its config, see `app.store.tokens.ConfigFacts`."""
    if token.curve is None or token.curve.config is None:
        return None
    facts = await context.loaders.config.load(token.curve.config)
    if facts is None or facts.lowest_sqrt_price is None:
        return None
    return sqrt_price_to_price(facts.lowest_sqrt_price, token.quote_decimals, token.decimals)


async def price_of(token: TokenRecord, context: Context) -> PriceView:
    """The newest price of a token. Raises NotIndexed where nothing that was indexed prices it."""
    price = await _opening_price(token, context) if token.price is None else token.price
    if price is None:
        raise NotIndexed(f"{token.mint} has no indexed price yet; ask again after its first trade.")
    return PriceView(
        quote=price,
        quote_mint=token.quote_mint,
        program=token.price_kind,
        as_of=token.price_at,
        rates=await context.loaders.rates(),
        head_time=await context.loaders.head_time(),
    )
