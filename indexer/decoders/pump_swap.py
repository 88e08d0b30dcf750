"""PumpSwap AMM: its swaps as trades, its pools as pool creations, the launched token always as base.

Event reserves are pre-trade. What the recordings' token balances show of a swap:

- buy: the pool gives `base_amount_out` and takes `quote_amount_in_with_lp_fee`: the LP fee stays in the pool, protocol
  and creator fees (with buyback, cashback and holder rewards, which are parts of or beside them) go elsewhere;
- sell: the pool takes `base_amount_in` and gives `quote_amount_out_without_lp_fee`.

So all fees together are what the user paid or got less than `quote_amount_in`/`quote_amount_out`. A boosted pool prices
with `virtual_quote_reserves` more quote than it holds.
"""

from typing import Final, NamedTuple

from app.domain.events import Event, PoolCreation, Trade
from app.domain.programs import PUMP_SWAP, QUOTE_DECIMALS, Protocol, Side, TradeProgram
from indexer.decoders.anchor import Emission
from indexer.decoders.context import Context, quote_name, someone, unsigned
from indexer.layouts.borsh import Fields
from indexer.layouts.pump_amm import PUMP_AMM

PROGRAM_ID: Final = PUMP_SWAP
IDL: Final = PUMP_AMM
_FEE_BPS: Final = (
    "lp_fee_basis_points",
    "protocol_fee_basis_points",
    "coin_creator_fee_basis_points",
    "cashback_fee_basis_points",
    "holder_rewards_bps",
)


class _Swap(NamedTuple):
    """A swap in the pool's own orientation, after it happened."""

    side: Side
    base_amount: int
    quote_amount: int
    fee: int
    base_reserves: int
    quote_reserves: int
    virtual_quote: int


def decode_event(
    name: str, fields: Fields, emission: Emission, context: Context, place: tuple[int, int]
) -> Event | None:
    """The domain event of a decoded PumpSwap event; None for deposits, withdrawals and administration."""
    match name:
        case "BuyEvent":
            return _trade(_bought(fields), fields, emission, context, place)
        case "SellEvent":
            return _trade(_sold(fields), fields, emission, context, place)
        case "CreatePoolEvent":
            return _pool(fields, context, place)
    return None


def is_inverted(base_mint: str, quote_mint: str) -> bool:
    """Whether the launched token is the pool's quote: its base is a known quote mint and its quote is not.

    With both or neither known, the pool's own orientation stands.
    """
    return quote_name(base_mint) in QUOTE_DECIMALS and quote_name(quote_mint) not in QUOTE_DECIMALS


def _bought(fields: Fields) -> _Swap:
    base, quote = fields["base_amount_out"], fields["quote_amount_in"]
    return _after(
        fields,
        Side.BUY,
        base,
        quote,
        fee=fields["user_quote_amount_in"] - quote,
        base_change=-base,
        quote_change=fields["quote_amount_in_with_lp_fee"],
    )


def _sold(fields: Fields) -> _Swap:
    base, quote = fields["base_amount_in"], fields["quote_amount_out"]
    return _after(
        fields,
        Side.SELL,
        base,
        quote,
        fee=quote - fields["user_quote_amount_out"],
        base_change=base,
        quote_change=-fields["quote_amount_out_without_lp_fee"],
    )


def _after(
    fields: Fields, side: Side, base: int, quote: int, *, fee: int, base_change: int, quote_change: int
) -> _Swap:
    quote_reserves = unsigned(fields["pool_quote_token_reserves"] + quote_change)
    return _Swap(
        side=side,
        base_amount=base,
        quote_amount=quote,
        fee=unsigned(fee),
        base_reserves=unsigned(fields["pool_base_token_reserves"] + base_change),
        quote_reserves=quote_reserves,
        virtual_quote=unsigned(quote_reserves + fields.get("virtual_quote_reserves", 0)),
    )


def _trade(swap: _Swap, fields: Fields, emission: Emission, context: Context, place: tuple[int, int]) -> Trade:
    mints = context.mints(emission, fields["pool"])
    inverted = is_inverted(mints.base_mint, mints.quote_mint)
    base = (mints.base_mint, mints.base_decimals, swap.base_amount, swap.base_reserves, swap.base_reserves)
    quote = (mints.quote_mint, mints.quote_decimals, swap.quote_amount, swap.virtual_quote, swap.quote_reserves)
    if inverted:
        base, quote = quote, base
    return Trade(
        **context.head(Protocol.PUMP_SWAP, *place, fields),
        mint=base[0],
        quote_mint=quote_name(quote[0]),
        base_decimals=base[1],
        quote_decimals=quote[1],
        venue=fields["pool"],
        venue_kind=TradeProgram.AMM_POOL,
        side=_turned(swap.side) if inverted else swap.side,
        trader=fields["user"],
        base_amount=base[2],
        quote_amount=quote[2],
        fee=None if inverted else swap.fee,
        fee_bps=sum(fields.get(name, 0) for name in _FEE_BPS),
        virtual_base_reserves=base[3],
        virtual_quote_reserves=quote[3],
        real_base_reserves=base[4],
        real_quote_reserves=quote[4],
        creator=someone(fields.get("coin_creator")),
        base_supply=None if inverted else fields.get("base_supply"),
        is_inverted=inverted,
        compute_units=context.transaction.compute_units,
        priority_fee=context.priority_fee,
    )


def _turned(side: Side) -> Side:
    """In an inverted pool, buying the pool's base is selling the token."""
    return Side.SELL if side is Side.BUY else Side.BUY


def _pool(fields: Fields, context: Context, place: tuple[int, int]) -> PoolCreation:
    base = (fields["base_mint"], fields["base_mint_decimals"], fields["pool_base_amount"])
    quote = (fields["quote_mint"], fields["quote_mint_decimals"], fields["pool_quote_amount"])
    inverted = is_inverted(base[0], quote[0])
    if inverted:
        base, quote = quote, base
    return PoolCreation(
        **context.head(Protocol.PUMP_SWAP, *place, fields),
        mint=base[0],
        pool=fields["pool"],
        quote_mint=quote_name(quote[0]),
        base_decimals=base[1],
        quote_decimals=quote[1],
        creator=fields["creator"],
        coin_creator=someone(fields.get("coin_creator")),
        base_reserves=base[2],
        quote_reserves=quote[2],
        is_inverted=inverted,
        lp_mint=fields["lp_mint"],
    )
