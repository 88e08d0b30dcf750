"""GraphQL type of a token, and pages of tokens."""

from decimal import Decimal
from typing import Annotated

import strawberry
from strawberry import UNSET

from app.domain.candles import Interval
from app.domain.programs import Stage, TradeProgram
from app.domain.records import PoolState, TokenRecord, TradeRecord
from app.domain.valuation import liquidity, market_cap
from app.schema.arguments import check_page
from app.schema.candles import CandleType
from app.schema.chain import ChainPoint, Price, price_of
from app.schema.charts import ChartArguments, chart_of
from app.schema.context import Context, Info
from app.schema.directives import Cost
from app.schema.enums import CandleFill, ChartUnit, StatsWindow
from app.schema.holders import Holder, known_supply, top_holders
from app.schema.inputs import TradeFilter, TradeOrder
from app.schema.metadata import TokenMetadata, metadata_of
from app.schema.nodes import Node, global_id
from app.schema.pagination import Page, TradeConnection
from app.schema.pools import BondingCurve, Pool
from app.schema.scalars import BigInt, DateTime
from app.schema.statistics import TokenExtremes, TokenStats, change, window_stats
from app.schema.trades import selection, token_trade_page
from app.schema.views import CandleView, CurveView, HolderView, MetadataView, PriceView, StatsView, WalletView
from app.schema.wallets import Wallet

_MINUTES_5, _HOUR, _DAY = StatsWindow.M5.seconds, StatsWindow.H1.seconds, StatsWindow.H24.seconds


def _id(token: strawberry.Parent[TokenRecord]) -> strawberry.ID:
    return global_id("Token", token.mint)


async def _current_price(token: strawberry.Parent[TokenRecord], info: Info) -> PriceView:
    return await price_of(token, info.context)


async def _price_change(token: TokenRecord, context: Context, seconds: int) -> float | None:
    past = await context.loaders.past_price.load((token.token_id, seconds))
    return change(token.price, past.quote if past is not None else None)


async def _price_change_5m(token: strawberry.Parent[TokenRecord], info: Info) -> float | None:
    return await _price_change(token, info.context, _MINUTES_5)


async def _price_change_1h(token: strawberry.Parent[TokenRecord], info: Info) -> float | None:
    return await _price_change(token, info.context, _HOUR)


async def _price_change_24h(token: strawberry.Parent[TokenRecord], info: Info) -> float | None:
    return await _price_change(token, info.context, _DAY)


async def _volume(token: TokenRecord, context: Context, seconds: int) -> float:
    return float(await context.loaders.volume.load((token.token_id, seconds)) or 0)


async def _volume_5m(token: strawberry.Parent[TokenRecord], info: Info) -> float:
    return await _volume(token, info.context, _MINUTES_5)


async def _volume_1h(token: strawberry.Parent[TokenRecord], info: Info) -> float:
    return await _volume(token, info.context, _HOUR)


async def _volume_24h(token: strawberry.Parent[TokenRecord], info: Info) -> float:
    return await _volume(token, info.context, _DAY)


async def _market_cap(token: strawberry.Parent[TokenRecord], info: Info) -> float | None:
    return _float(market_cap(token, await info.context.loaders.rates()))


async def _liquidity(token: strawberry.Parent[TokenRecord], info: Info) -> float | None:
    return _float(liquidity(token, await info.context.loaders.rates()))


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)


def _is_graduated(token: strawberry.Parent[TokenRecord]) -> bool:
    return token.stage is Stage.GRADUATED


async def _trades(
    token: strawberry.Parent[TokenRecord],
    info: Info,
    first: Annotated[
        int | None, strawberry.argument(description="At most so many, 50 unless given, 200 at most.")
    ] = UNSET,
    after: Annotated[str | None, strawberry.argument(description="Only those after this cursor.")] = UNSET,
    last: Annotated[int | None, strawberry.argument(description="At most so many, from the end.")] = UNSET,
    before: Annotated[str | None, strawberry.argument(description="Only those before this cursor.")] = UNSET,
    filter: Annotated[TradeFilter | None, strawberry.argument(description="Further conditions.")] = UNSET,
    order_by: Annotated[TradeOrder | None, strawberry.argument(description="Order.")] = UNSET,
) -> Page[TradeRecord]:
    asked = selection(check_page(first, after, last, before), filter, order_by)
    return await token_trade_page(info.context, token.token_id, asked)


async def _chart(
    token: strawberry.Parent[TokenRecord],
    info: Info,
    interval: Annotated[Interval, strawberry.argument(description="Candle width.")],
    from_: Annotated[
        int | None,
        strawberry.argument(name="from", description="First second, inclusive; 24 hours ago unless given."),
    ] = UNSET,
    to: Annotated[int | None, strawberry.argument(description="Last second, exclusive; now unless given.")] = UNSET,
    countback: Annotated[
        int | None,
        strawberry.argument(description="At least so many candles before `to`, whatever `from` says; 5,000 at most."),
    ] = UNSET,
    fill: Annotated[CandleFill | None, strawberry.argument(description="Empty slots.")] = CandleFill.NONE,
    unit: Annotated[ChartUnit | None, strawberry.argument(description="Unit.")] = ChartUnit.USD,
    program: Annotated[TradeProgram | None, strawberry.argument(description="Only the curve or only the AMM.")] = UNSET,
) -> list[CandleView]:
    asked = ChartArguments.of(interval, from_, to, countback, fill, unit, program)
    return await chart_of(info.context, token.mint, asked)


async def _top_holders(
    token: strawberry.Parent[TokenRecord],
    info: Info,
    limit: Annotated[
        int | None, strawberry.argument(description="At most so many, 20 unless given, 100 at most.")
    ] = UNSET,
    exclude_vaults: Annotated[bool | None, strawberry.argument(description="Leave out curve and pool vaults.")] = True,
) -> list[HolderView]:
    return await top_holders(info.context, token, limit, exclude_vaults)


def _bonding_curve(token: strawberry.Parent[TokenRecord]) -> CurveView | None:
    return None if token.curve is None else CurveView(token, token.curve)


def _pools(token: strawberry.Parent[TokenRecord]) -> list[PoolState]:
    """Those whose reserves are indexed: a pool of a program that is not decoded has none to tell."""
    return [pool for pool in token.pools if pool.base_reserves is not None and pool.quote_reserves is not None]


async def _metadata(token: strawberry.Parent[TokenRecord], info: Info) -> MetadataView | None:
    return await metadata_of(info.context, token)


def _creator(token: strawberry.Parent[TokenRecord]) -> WalletView | None:
    return None if token.creator is None else WalletView(token.creator)


def _total_supply(token: strawberry.Parent[TokenRecord]) -> BigInt:
    return BigInt(known_supply(token))


async def _stats(token: strawberry.Parent[TokenRecord], info: Info, window: StatsWindow) -> StatsView | None:
    return await window_stats(info.context, token, window)


def _extremes(token: strawberry.Parent[TokenRecord]) -> TokenRecord | None:
    is_known = None not in (token.ath_price_usd, token.ath_at, token.atl_price_usd, token.atl_at)
    return token if is_known else None


@strawberry.type(description="A token launched on a supported launchpad. Every field is a value at one slot: `asOf`.")
class Token(Node):
    id = strawberry.field(resolver=_id, description="Opaque global id.")
    mint: str = strawberry.field(name="mintAddress", description="Mint address.")
    symbol: str | None = strawberry.field(description="Ticker; null until the metadata is resolved.")
    name: str | None = strawberry.field(description="Name; null until the metadata is resolved.")
    decimals: int = strawberry.field(description="Decimals of the mint.")
    current_price = strawberry.field(
        resolver=_current_price,
        graphql_type=Price,
        description="Last known price; before the first trade, the opening price of the curve.",
    )
    price_change_5m = strawberry.field(
        resolver=_price_change_5m,
        name="priceChange5m",
        description="Relative price change over 5 minutes, in per cent; null without a price that old.",
    )
    price_change_1h = strawberry.field(
        resolver=_price_change_1h,
        name="priceChange1h",
        description="Relative price change over 1 hour, in per cent; null without a price that old.",
    )
    price_change_24h = strawberry.field(
        resolver=_price_change_24h,
        name="priceChange24h",
        description="Relative price change over 24 hours, in per cent; null without a price that old.",
    )
    volume_5m = strawberry.field(
        resolver=_volume_5m,
        name="volume5m",
        description="Volume of the last 5 minutes in USD; 0 without trades.",
    )
    volume_1h = strawberry.field(
        resolver=_volume_1h, name="volume1h", description="Volume of the last hour in USD; 0 without trades."
    )
    volume_24h = strawberry.field(
        resolver=_volume_24h, name="volume24h", description="Volume of the last 24 hours in USD; 0 without trades."
    )
    market_cap = strawberry.field(
        resolver=_market_cap, description="Price times circulating supply, in USD; null without a USD price."
    )
    liquidity = strawberry.field(
        resolver=_liquidity,
        description="Quote-side depth in USD: real curve reserves before, both pool sides after graduation.",
    )
    holders: int | None = strawberry.field(
        description="Wallets with a balance above zero; null while the balance index catches up."
    )
    created_at: DateTime = strawberry.field(
        description="Launch time; the time of the first indexed record where the launch itself was not indexed."
    )
    graduated_at: DateTime | None = strawberry.field(description="Time liquidity moved to an AMM.")
    is_graduated = strawberry.field(resolver=_is_graduated, description="Whether liquidity has moved to an AMM.")
    trades = strawberry.field(
        resolver=_trades,
        graphql_type=TradeConnection,
        directives=[Cost(weight=1, multiplier="first")],
        description="Trades, newest first.",
    )
    chart = strawberry.field(
        resolver=_chart,
        graphql_type=list[CandleType],
        directives=[Cost(weight=1, multiplier="countback")],
        description="Candles, oldest first, across graduation unless `program` says otherwise.",
    )
    top_holders = strawberry.field(
        resolver=_top_holders,
        graphql_type=list[Holder],
        directives=[Cost(weight=1, multiplier="limit")],
        description="Largest holders, largest first.",
    )
    as_of: ChainPoint = strawberry.field(description="Slot and time that this value stands for.")
    stage: Stage = strawberry.field(description="Curve or AMM stage.")
    bonding_curve = strawberry.field(
        resolver=_bonding_curve,
        graphql_type=BondingCurve | None,
        description="Curve with its live state; null only where it was never indexed.",
    )
    pools = strawberry.field(resolver=_pools, graphql_type=list[Pool], description="Pools, deepest first.")
    metadata = strawberry.field(
        resolver=_metadata, graphql_type=TokenMetadata | None, description="Off-chain metadata."
    )
    creator = strawberry.field(resolver=_creator, graphql_type=Wallet | None, description="Creator.")
    total_supply = strawberry.field(resolver=_total_supply, description="Raw supply.")
    stats = strawberry.field(resolver=_stats, graphql_type=TokenStats, description="Statistics of a window.")
    extremes = strawberry.field(
        resolver=_extremes, graphql_type=TokenExtremes | None, description="Highs and lows since launch."
    )
