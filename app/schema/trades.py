"""GraphQL type of a trade, and its pages."""

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Final

import strawberry

from app.domain.money import ratio_price, whole
from app.domain.programs import WSOL, Commitment, Protocol, Side, TradeProgram
from app.domain.records import TokenRecord, TradeRecord
from app.domain.valuation import PUMP_SUPPLY
from app.errors import NotIndexed
from app.schema.arguments import PageArguments
from app.schema.context import Context, Info
from app.schema.enums import SortDirection, TradeOrderField
from app.schema.filters import trade_clause
from app.schema.inputs import TradeFilter, TradeOrder
from app.schema.keys import TradesKey
from app.schema.lazy import LazyToken
from app.schema.nodes import Node, global_id
from app.schema.pagination import Page, part_of, to_page
from app.schema.scalars import BigDecimal, BigInt, DateTime
from app.schema.views import WalletView
from app.schema.wallets import Wallet
from app.store.trades import (
    TradeQuery,
    chain_keys,
    chain_values,
    read_trade_page,
    volume_keys,
    volume_values,
)

_ratio: Final = lru_cache(maxsize=1_024)(ratio_price)
"""Several fields of a trade tell its price, and each of them to every group of subscribers."""


def price_paid(trade: TradeRecord) -> Decimal:
    """Quote per base of the amounts, before fees; of a swap of no token at all, the spot after it."""
    if trade.price_paid is not None:
        return trade.price_paid
    paid = _ratio(trade.quote_amount, trade.base_amount, trade.quote_decimals, trade.base_decimals)
    price = trade.spot_price if paid is None else paid
    if price is None:
        raise NotIndexed("This swap moved no tokens, and its venue told no price.")
    return price


def _id(trade: strawberry.Parent[TradeRecord]) -> strawberry.ID:
    return trade_id(trade.block_time, trade.identity)


def trade_id(block_time: int, identity: bytes) -> strawberry.ID:
    return global_id("Trade", f"{block_time}:{identity.hex()}")


def trade_cursor(trade: TradeRecord, context: Context) -> str:
    return context.cursors.encode(trade.sequence, trade.block_time, trade.position, trade.identity)


def _cursor(trade: strawberry.Parent[TradeRecord], info: Info) -> str:
    return trade_cursor(trade, info.context)


async def _token(trade: strawberry.Parent[TradeRecord], info: Info) -> TokenRecord | None:
    return await info.context.loaders.token.load(trade.mint)


def _trader_address(trade: strawberry.Parent[TradeRecord]) -> str:
    return trade.trader


def _trader(trade: strawberry.Parent[TradeRecord]) -> WalletView:
    return WalletView(trade.trader)


def _price_quote(trade: strawberry.Parent[TradeRecord]) -> float:
    return float(price_paid(trade))


async def _price_sol(trade: strawberry.Parent[TradeRecord], info: Info) -> float | None:
    if trade.quote_mint == WSOL:
        return float(price_paid(trade))
    if trade.quote_usd is None:
        return None
    sol_usd = await info.context.loaders.sol_usd.load(trade.block_time)
    return float(price_paid(trade) * trade.quote_usd / sol_usd) if sol_usd else None


def _price_usd(trade: strawberry.Parent[TradeRecord]) -> float | None:
    return None if trade.quote_usd is None else float(price_paid(trade) * trade.quote_usd)


def _price_exact(trade: strawberry.Parent[TradeRecord]) -> BigDecimal:
    return BigDecimal(price_paid(trade))


def _volume_usd(trade: strawberry.Parent[TradeRecord]) -> float | None:
    if trade.quote_usd is None:
        return None
    return float(whole(trade.quote_amount, trade.quote_decimals) * trade.quote_usd)


def _market_cap_usd(trade: strawberry.Parent[TradeRecord]) -> float | None:
    is_pump = trade.program is Protocol.PUMP_FUN
    supply = PUMP_SUPPLY if trade.total_supply is None and is_pump else trade.total_supply
    if supply is None or trade.spot_price is None or trade.quote_usd is None:
        return None
    return float(trade.spot_price * whole(supply, trade.base_decimals) * trade.quote_usd)


def _virtual_quote(trade: strawberry.Parent[TradeRecord]) -> BigInt | None:
    return _on_curve(trade, trade.virtual_quote_reserves)


def _virtual_base(trade: strawberry.Parent[TradeRecord]) -> BigInt | None:
    return _on_curve(trade, trade.virtual_base_reserves)


def _on_curve(trade: TradeRecord, reserve: int | None) -> BigInt | None:
    is_curve = trade.venue_kind is TradeProgram.BONDING_CURVE
    return BigInt(reserve) if is_curve and reserve is not None else None


@strawberry.type(
    description="One swap on a curve or pool. Identity is the signature and the index of the event in its transaction, "
    "so that two swaps of one transaction are two trades."
)
class Trade(Node):
    id = strawberry.field(resolver=_id, description="Opaque global id; the same in queries, streams and webhooks.")
    cursor = strawberry.field(
        resolver=_cursor,
        description="Resume point. In a stream (`after`, `start.cursor`) it means: everything stored after this trade "
        "was stored, so that late and backfilled trades are not missed; in a connection (`after`, `before`): "
        "everything after it in chain order.",
    )
    mint: str = strawberry.field(name="mintAddress", description="Mint address.")
    token = strawberry.field(
        resolver=_token, graphql_type=LazyToken, description="Token; batched, and read as of the newest slot."
    )
    signature: str = strawberry.field(description="Transaction signature.")
    slot: BigInt = strawberry.field(description="Slot.")
    transaction_index: int | None = strawberry.field(
        description="Index of the transaction in its block; null where the source did not tell it."
    )
    event_index: int = strawberry.field(
        description="Index of the swap inside the transaction, inner instructions counted."
    )
    block_time: DateTime = strawberry.field(description="Block time.")
    indexed_at: DateTime = strawberry.field(description="Time the indexer stored it.")
    commitment: Commitment = strawberry.field(description="Certainty.")
    side: Side = strawberry.field(description="Side.")
    venue_kind: TradeProgram = strawberry.field(name="program", description="Curve or AMM.")
    program: Protocol = strawberry.field(name="protocol", description="Program.")
    venue: str = strawberry.field(name="venueAddress", description="Curve or pool account.")
    trader_address = strawberry.field(resolver=_trader_address, description="Trader address.")
    trader = strawberry.field(resolver=_trader, graphql_type=Wallet, description="Trader.")
    quote_amount: BigInt = strawberry.field(
        description="Quote amount of the swap by the venue's own arithmetic, before fees, raw (lamports for SOL)."
    )
    base_amount: BigInt = strawberry.field(name="tokenAmount", description="Token amount, raw.")
    quote_mint: str = strawberry.field(description="Quote mint.")
    price_quote = strawberry.field(resolver=_price_quote, description="Price paid in whole quote tokens.")
    price_sol = strawberry.field(
        resolver=_price_sol, description="Price paid in SOL; null where the quote is not SOL and no rate was known."
    )
    price_usd = strawberry.field(resolver=_price_usd, description="Price paid in USD.")
    price_exact = strawberry.field(resolver=_price_exact, description="Price paid in quote tokens, exact.")
    volume_usd = strawberry.field(resolver=_volume_usd, description="Value in USD.")
    market_cap_usd = strawberry.field(resolver=_market_cap_usd, description="Market cap after the trade in USD.")
    virtual_quote_reserves = strawberry.field(
        resolver=_virtual_quote, description="Virtual quote reserves after the trade; null on an AMM."
    )
    virtual_token_reserves = strawberry.field(
        resolver=_virtual_base, description="Virtual token reserves after the trade; null on an AMM."
    )
    real_quote_reserves: BigInt | None = strawberry.field(description="Real quote reserves after the trade.")
    real_base_reserves: BigInt | None = strawberry.field(
        name="realTokenReserves", description="Real token reserves after the trade."
    )
    compute_units: int | None = strawberry.field(description="Compute units used.")
    priority_fee: BigInt | None = strawberry.field(description="Priority fee in lamports.")
    fee: BigInt | None = strawberry.field(description="All fees of the swap together, in raw quote units.")
    is_first_trade: bool = strawberry.field(description="Whether it is the trader's first trade in this token.")


@dataclass(frozen=True, slots=True)
class TradeSelection:
    """What a list of trades holds: page, filter and order."""

    page: PageArguments
    filter: TradeFilter | None
    order: TradeOrder


def selection(page: PageArguments, chosen: TradeFilter | None, order: TradeOrder | None) -> TradeSelection:
    return TradeSelection(page, chosen or None, order or TradeOrder())


async def trade_page(context: Context, asked: TradeSelection) -> Page[TradeRecord]:
    """A page of trades across tokens."""
    found = await context.loaders.read(read_trade_page, await _query(context, asked))
    return to_page(found, [trade_cursor(trade, context) for trade in found], asked.page)


async def token_trade_page(context: Context, token_id: int, asked: TradeSelection) -> Page[TradeRecord]:
    """A page of the trades of one token, read together with those of the other tokens in the operation."""
    key = TradesKey(token_id, repr(asked), await _query(context, asked))
    found = await context.loaders.trades.load(key)
    return to_page(found, [trade_cursor(trade, context) for trade in found], asked.page)


async def _query(context: Context, asked: TradeSelection) -> TradeQuery:
    is_descending = asked.order.direction is SortDirection.DESC
    by_volume = asked.order.field is TradeOrderField.VOLUME_USD
    keys = volume_keys(is_descending) if by_volume else chain_keys(is_descending)
    values = volume_values if by_volume else chain_values
    part = part_of(asked.page, lambda text: values(context.cursors.decode(text)))
    condition = trade_clause(asked.filter, await context.loaders.head_time()) if asked.filter else None
    return TradeQuery(keys, part, condition)
