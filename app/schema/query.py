"""The root type Query."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import strawberry
from strawberry import UNSET

from app.domain.candles import Interval
from app.domain.programs import TradeProgram
from app.domain.records import GraduationRecord, PoolState, TokenRecord, TradeRecord
from app.schema.arguments import check_address, check_count, check_page
from app.schema.candles import CandleType
from app.schema.charts import ChartArguments, chart_of
from app.schema.context import Context, Info
from app.schema.directives import Cost
from app.schema.enums import CandleFill, ChartUnit
from app.schema.graduations import graduation_page, pool_at
from app.schema.inputs import TokenFilter, TokenOrder, TradeFilter, TradeOrder
from app.schema.launchpad_stream import launchpad_event_at
from app.schema.nodes import Node, parse_global_id
from app.schema.pagination import GraduationEventConnection, Page, TokenConnection, TradeConnection
from app.schema.pools import Pool
from app.schema.status import Status, read_status
from app.schema.token_pages import token_page
from app.schema.tokens import Token
from app.schema.trades import selection, trade_page
from app.schema.views import CandleView, CurveView, WalletView

_MAX_NODES = 100
_MAX_MINTS = 200
_MAX_TIME_DIGITS = 10


async def _node(info: Info, id: strawberry.ID) -> object | None:
    return await _fetch(info.context, id)


async def _nodes(info: Info, ids: list[strawberry.ID]) -> list[object | None]:
    check_count(ids, "ids", _MAX_NODES)
    return list(await asyncio.gather(*(_fetch(info.context, each) for each in ids)))


async def _fetch(context: Context, global_id: str) -> object | None:
    """The object of a global id; None where there is none. Raises InvalidInput for what is no id of ours."""
    type_name, key = parse_global_id(global_id)
    return await _FETCHERS[type_name](context, key)


async def _fetch_token(context: Context, mint: str) -> object | None:
    return await context.loaders.token.load(check_address(mint, "id"))


async def _fetch_trade(context: Context, key: str) -> object | None:
    block_time, _, identity = key.partition(":")
    if not (block_time.isdecimal() and len(block_time) <= _MAX_TIME_DIGITS):
        return None
    found = _identity(identity)
    return None if found is None else await context.loaders.trade.load((int(block_time), found))


async def _fetch_graduation(context: Context, key: str) -> object | None:
    identity = _identity(key)
    return None if identity is None else await context.loaders.graduation.load(identity)


def _identity(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


async def _fetch_curve(context: Context, address: str) -> object | None:
    token = await context.loaders.token_of_venue.load(check_address(address, "id"))
    if token is None or token.curve is None or token.curve.address != address:
        return None
    return CurveView(token, token.curve)


async def _fetch_pool(context: Context, address: str) -> object | None:
    return await pool_at(context, check_address(address, "id"))


async def _fetch_wallet(_context: Context, address: str) -> object | None:
    return WalletView(check_address(address, "id"))


_FETCHERS: dict[str, Callable[[Context, str], Awaitable[object | None]]] = {
    "Token": _fetch_token,
    "Trade": _fetch_trade,
    "GraduationEvent": _fetch_graduation,
    "BondingCurve": _fetch_curve,
    "Pool": _fetch_pool,
    "Wallet": _fetch_wallet,
    "LaunchpadEvent": launchpad_event_at,
}


async def _token(info: Info, mint_address: str) -> TokenRecord | None:
    return await info.context.loaders.token.load(check_address(mint_address, "mintAddress"))


async def _tokens_by_mint(info: Info, mint_addresses: list[str]) -> list[TokenRecord | None]:
    check_count(mint_addresses, "mintAddresses", _MAX_MINTS)
    mints = [check_address(mint, "mintAddresses") for mint in mint_addresses]
    return list(await info.context.loaders.token.load_many(mints))


async def _tokens(
    info: Info,
    first: int | None = UNSET,
    after: str | None = UNSET,
    last: int | None = UNSET,
    before: str | None = UNSET,
    filter: TokenFilter | None = UNSET,
    order_by: list[TokenOrder] | None = UNSET,
) -> Page[TokenRecord]:
    return await token_page(info.context, check_page(first, after, last, before), filter or None, order_by or None)


async def _trades(
    info: Info,
    first: int | None = UNSET,
    after: str | None = UNSET,
    last: int | None = UNSET,
    before: str | None = UNSET,
    filter: TradeFilter | None = UNSET,
    order_by: TradeOrder | None = UNSET,
) -> Page[TradeRecord]:
    return await trade_page(info.context, selection(check_page(first, after, last, before), filter, order_by))


async def _candles(
    info: Info,
    mint_address: str,
    interval: Interval,
    from_: Annotated[int | None, strawberry.argument(name="from")] = UNSET,
    to: int | None = UNSET,
    countback: int | None = UNSET,
    fill: CandleFill | None = CandleFill.NONE,
    unit: ChartUnit | None = ChartUnit.USD,
    program: TradeProgram | None = UNSET,
) -> list[CandleView]:
    mint = check_address(mint_address, "mintAddress")
    asked = ChartArguments.of(interval, from_, to, countback, fill, unit, program)
    return await chart_of(info.context, mint, asked)


async def _graduations(
    info: Info, first: int | None = UNSET, after: str | None = UNSET, filter: TokenFilter | None = UNSET
) -> Page[GraduationRecord]:
    return await graduation_page(info.context, check_page(first, after), filter or None)


async def _pool(info: Info, address: str) -> PoolState | None:
    return await pool_at(info.context, check_address(address, "address"))


@strawberry.type(
    description="Reads. All lists are batched: a page of 100 tokens with nested fields costs one read per kind, "
    "not per token."
)
class Query:
    node = strawberry.field(resolver=_node, graphql_type=Node | None, description="Any object by its global id.")
    nodes = strawberry.field(
        resolver=_nodes,
        graphql_type=list[Node | None],
        description="Objects by their global ids, in order, null where there is none; at most 100.",
    )
    token = strawberry.field(
        resolver=_token, graphql_type=Token | None, description="Token by mint address; null when not indexed."
    )
    tokens_by_mint = strawberry.field(
        resolver=_tokens_by_mint,
        graphql_type=list[Token | None],
        directives=[Cost(weight=1, multiplier="mintAddresses")],
        description="Tokens by mint address, in order, null where not indexed; at most 200.",
    )
    tokens = strawberry.field(
        resolver=_tokens,
        graphql_type=TokenConnection,
        directives=[Cost(weight=1, multiplier="first")],
        description="Tokens that a filter selects.",
    )
    trades = strawberry.field(
        resolver=_trades,
        graphql_type=TradeConnection,
        directives=[Cost(weight=1, multiplier="first")],
        description="Trades across tokens.",
    )
    candles = strawberry.field(
        resolver=_candles,
        graphql_type=list[CandleType],
        directives=[Cost(weight=1, multiplier="countback")],
        description="Candles of one token; the same as `Token.chart` without reading the token.",
    )
    graduations = strawberry.field(
        resolver=_graduations, graphql_type=GraduationEventConnection, description="Graduations, newest first."
    )
    pool = strawberry.field(resolver=_pool, graphql_type=Pool | None, description="Pool by account.")
    status = strawberry.field(
        resolver=read_status, graphql_type=Status, description="Health and position of the server."
    )
