"""GraphQL types of the venues: bonding curve and pool."""

from decimal import Decimal

import msgspec
import strawberry

from app.domain.money import whole
from app.domain.programs import Protocol, Stage
from app.domain.records import PoolState, TokenRecord
from app.domain.valuation import (
    graduation_price,
    pool_liquidity,
    progress,
    quote_to_graduation,
    total_supply,
)
from app.errors import NotIndexed
from app.schema.chain import ChainPoint
from app.schema.context import Info
from app.schema.lazy import LazyToken
from app.schema.nodes import Node, global_id
from app.schema.scalars import BigInt, DateTime
from app.schema.views import CurveView
from app.store.tokens import ConfigFacts

_PUMP_FEE_BPS = 125
"""pump.fun's curve and canonical PumpSwap pools: 95 + 30 basis points (PROGRAMS.md). For events too old to tell it."""


def _known(value: int | None, what: str, address: str) -> BigInt:
    if value is None:
        raise NotIndexed(f"{what} of {address} is not indexed yet: no record has told it.")
    return BigInt(value)


def _fee_bps(address: str, protocol: Protocol, told: int | None) -> int:
    if told is None and protocol in (Protocol.PUMP_FUN, Protocol.PUMP_FUN_MAYHEM, Protocol.PUMP_SWAP):
        return _PUMP_FEE_BPS
    return _known(told, "The fee", address)


def _curve_id(curve: strawberry.Parent[CurveView]) -> strawberry.ID:
    return global_id("BondingCurve", curve.state.address)


def _curve_address(curve: strawberry.Parent[CurveView]) -> str:
    return curve.state.address


def _curve_protocol(curve: strawberry.Parent[CurveView]) -> Protocol:
    return curve.state.protocol


def _config(curve: strawberry.Parent[CurveView]) -> str | None:
    return curve.state.config


def _curve_quote_mint(curve: strawberry.Parent[CurveView]) -> str:
    return curve.token.quote_mint


def _virtual_base(curve: CurveView) -> int | None:
    """Meteora DBC has a price but no virtual reserves: here the token side is what the curve holds, else the supply."""
    state = curve.state
    if state.virtual_base_reserves is not None:
        return state.virtual_base_reserves
    return None if state.sqrt_price is None else state.real_base_reserves or total_supply(curve.token)


def _virtual_token_reserves(curve: strawberry.Parent[CurveView]) -> BigInt:
    """On Meteora DBC the equivalent of the constant-product curve that has its price here: see `_virtual_base`."""
    return _known(_virtual_base(curve), "The virtual reserve", curve.state.address)


def _virtual_quote_reserves(curve: strawberry.Parent[CurveView]) -> BigInt:
    """On Meteora DBC `virtualTokenReserves` times the price, (sqrtPrice / 2^64)², rounded down."""
    state, base = curve.state, _virtual_base(curve)
    if state.virtual_quote_reserves is None and state.sqrt_price is not None and base is not None:
        return BigInt((state.sqrt_price**2 * base) >> 128)
    return _known(state.virtual_quote_reserves, "The virtual reserve", state.address)


def _real_quote_reserves(curve: strawberry.Parent[CurveView]) -> BigInt:
    return _known(curve.state.real_quote_reserves, "The quote reserve", curve.state.address)


async def _real_token_reserves(curve: strawberry.Parent[CurveView], info: Info) -> BigInt:
    """Meteora's events do not tell them: there it is what the curve's vault holds."""
    told = curve.state.real_base_reserves
    if told is None and curve.state.protocol is Protocol.METEORA_DBC:
        told = await info.context.loaders.dbc_vault.load(curve.token.token_id)
    return _known(told, "The token reserve", curve.state.address)


def _sqrt_price(curve: strawberry.Parent[CurveView]) -> BigInt | None:
    return None if curve.state.sqrt_price is None else BigInt(curve.state.sqrt_price)


def _is_complete(curve: strawberry.Parent[CurveView]) -> bool:
    return curve.token.stage is not Stage.BONDING


def _progress(curve: strawberry.Parent[CurveView]) -> float:
    return 1.0 if curve.token.stage is not Stage.BONDING else float(progress(curve.state))


async def _quote_to_graduation(curve: strawberry.Parent[CurveView], info: Info) -> BigInt:
    if curve.token.stage is not Stage.BONDING:
        return BigInt(0)
    state = curve.state
    if state.migration_threshold is None and (facts := await _config_facts(curve, info)) is not None:
        state = msgspec.structs.replace(state, migration_threshold=facts.migration_threshold)
    to_come = quote_to_graduation(state)
    return _known(to_come, "The quote to graduation", curve.state.address)


async def _config_facts(curve: CurveView, info: Info) -> ConfigFacts | None:
    """What other curves of the config tell: a Meteora launch itself tells neither price, threshold nor fee."""
    config = curve.state.config
    return None if config is None else await info.context.loaders.config.load(config)


async def _graduation_market_cap(curve: strawberry.Parent[CurveView], info: Info) -> float | None:
    token, supply = curve.token, total_supply(curve.token)
    price = graduation_price(curve.state, token.quote_decimals, token.decimals)
    rate = (await info.context.loaders.rates()).get(token.quote_mint)
    if price is None or supply is None or rate is None:
        return None
    return float(price * whole(supply, token.decimals) * rate)


async def _curve_fee(curve: strawberry.Parent[CurveView], info: Info) -> int:
    """As events tell it, else as the newest trade of the curve paid it, else of another curve of its config."""
    fees, told = info.context.loaders.curve_fee, curve.state.fee_bps
    if told is None and curve.state.protocol is Protocol.METEORA_DBC:
        told = await fees.load(curve.token.token_id)
        if told is None and (facts := await _config_facts(curve, info)) is not None:
            told = await fees.load(facts.newest_token_id)
    return _fee_bps(curve.state.address, curve.state.protocol, told)


def _curve_as_of(curve: strawberry.Parent[CurveView]) -> object:
    return curve.state.as_of


@strawberry.type(description="Bonding curve and its live state.")
class BondingCurve(Node):
    id = strawberry.field(resolver=_curve_id, description="Opaque global id.")
    address = strawberry.field(resolver=_curve_address, description="Curve account.")
    protocol = strawberry.field(resolver=_curve_protocol, description="Program.")
    config_address = strawberry.field(resolver=_config, description="Meteora DBC config; null elsewhere.")
    quote_mint = strawberry.field(resolver=_curve_quote_mint, description="Quote mint.")
    virtual_quote_reserves = strawberry.field(
        resolver=_virtual_quote_reserves, description="Virtual quote reserves, raw."
    )
    virtual_token_reserves = strawberry.field(
        resolver=_virtual_token_reserves, description="Virtual token reserves, raw."
    )
    real_quote_reserves = strawberry.field(resolver=_real_quote_reserves, description="Real quote reserves, raw.")
    real_token_reserves = strawberry.field(resolver=_real_token_reserves, description="Real token reserves, raw.")
    sqrt_price = strawberry.field(resolver=_sqrt_price, description="Square-root price (Meteora DBC), raw Q64.64.")
    progress = strawberry.field(resolver=_progress, description="Part of the curve sold, 0 to 1.")
    quote_to_graduation = strawberry.field(
        resolver=_quote_to_graduation, description="Quote still to come in before graduation, raw."
    )
    graduation_market_cap = strawberry.field(
        resolver=_graduation_market_cap, description="Market cap at graduation in USD at today's rate."
    )
    fee_bps = strawberry.field(resolver=_curve_fee, description="Trading fee in basis points, now.")
    is_complete = strawberry.field(resolver=_is_complete, description="Whether the curve is full.")
    as_of = strawberry.field(resolver=_curve_as_of, graphql_type=ChainPoint, description="Slot of the state.")


def _pool_id(pool: strawberry.Parent[PoolState]) -> strawberry.ID:
    return global_id("Pool", pool.address)


async def _pool_token(pool: strawberry.Parent[PoolState], info: Info) -> TokenRecord | None:
    return await info.context.loaders.token.load(pool.mint)


def _token_reserves(pool: strawberry.Parent[PoolState]) -> BigInt:
    return _known(pool.base_reserves, "The token reserve", pool.address)


def _quote_reserves(pool: strawberry.Parent[PoolState]) -> BigInt:
    return _known(pool.quote_reserves, "The quote reserve", pool.address)


async def _liquidity(pool: strawberry.Parent[PoolState], info: Info) -> float | None:
    depth: Decimal | None = pool_liquidity(pool, await info.context.loaders.rates())
    return None if depth is None else float(depth)


def _pool_fee(pool: strawberry.Parent[PoolState]) -> int:
    return _fee_bps(pool.address, pool.protocol, pool.fee_bps)


@strawberry.type(description="AMM pool of a graduated token.")
class Pool(Node):
    id = strawberry.field(resolver=_pool_id, description="Opaque global id.")
    address: str = strawberry.field(description="Pool account.")
    protocol: Protocol = strawberry.field(description="Program.")
    token = strawberry.field(resolver=_pool_token, graphql_type=LazyToken, description="Token.")
    quote_mint: str = strawberry.field(description="Quote mint.")
    token_reserves = strawberry.field(resolver=_token_reserves, description="Token reserves, raw.")
    quote_reserves = strawberry.field(resolver=_quote_reserves, description="Quote reserves, raw.")
    liquidity = strawberry.field(resolver=_liquidity, description="Depth in USD.")
    fee_bps = strawberry.field(resolver=_pool_fee, description="Fee in basis points.")
    created_at: DateTime = strawberry.field(description="Created.")
