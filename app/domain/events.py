"""What a decoder says happened on chain: launches, trades, completions, migrations and pool creations.

Amounts are raw integers (smallest units; lamports where the quote is SOL). Addresses are base58. The launched token is
always the base, whatever the pool's own orientation: decoders turn inverted pools round.
"""

import hashlib
from typing import TypeAlias

import msgspec

from app.domain.programs import Commitment, Protocol, Side, TradeProgram


class EventHead(msgspec.Struct, frozen=True, kw_only=True):
    """Where and when: the part that every event has.

    Identity is (signature, program, ordinal): `ordinal` counts the events of that program in the transaction, whatever
    their kind, from 0, in execution order; it is the same read from logs, from self-CPI or from gRPC.
    `event_index` counts the events of all known programs in the transaction and orders events of one transaction.
    """

    signature: str
    program: Protocol
    ordinal: int
    event_index: int
    slot: int
    """0 where the source did not tell it."""
    transaction_index: int | None
    """Index in the block; None where the source did not tell it."""
    block_time: int
    """Unix seconds: the event's own timestamp (the bank's clock), else the block's."""
    commitment: Commitment

    @property
    def identity(self) -> bytes:
        """16 bytes that name this event for ever: BLAKE2b of signature, program id and ordinal."""
        return event_identity(self.signature, self.program.program_id, self.ordinal)

    @property
    def position(self) -> int:
        """Chain order packed into a non-negative 63-bit integer; see `pack_position`."""
        return pack_position(self.slot, self.transaction_index, self.event_index)


class Launch(EventHead, frozen=True, kw_only=True):
    """A mint was created on a launchpad with its curve."""

    mint: str
    bonding_curve: str
    """Curve account: pump BondingCurve, DBC VirtualPool."""
    config: str | None
    """Meteora DBC config; None elsewhere."""
    creator: str
    name: str | None
    symbol: str | None
    uri: str | None
    base_decimals: int
    quote_mint: str
    quote_decimals: int
    token_program: str | None
    total_supply: int | None
    """Raw; None where neither event nor instruction tells it."""
    virtual_base_reserves: int | None
    virtual_quote_reserves: int | None
    real_base_reserves: int | None
    real_quote_reserves: int | None
    sqrt_price: int | None = None
    """DBC opening price, Q64.64, where known."""
    fee_bps: int | None = None


class Trade(EventHead, frozen=True, kw_only=True):
    """One swap on a curve or pool.

    `base_amount`/`quote_amount`: the swap by the venue's own arithmetic, before fees. `fee`: all fees together, raw
    quote units (None where fees were taken in base and cannot be told in quote). Reserves are AFTER the trade, whatever
    the event says. `virtual_*` are the reserves that price the venue: pump's virtual reserves; on PumpSwap the pool's,
    with boost's virtual quote included; None on DBC, which is priced by `sqrt_price` (Q64.64). `real_*` is what the
    venue holds.
    """

    mint: str
    quote_mint: str
    base_decimals: int
    quote_decimals: int
    venue: str
    """Curve or pool account."""
    venue_kind: TradeProgram
    side: Side
    trader: str
    base_amount: int
    quote_amount: int
    fee: int | None
    virtual_base_reserves: int | None
    virtual_quote_reserves: int | None
    real_base_reserves: int | None
    real_quote_reserves: int | None
    sqrt_price: int | None = None
    creator: str | None = None
    """Creator that receives creator fees, where the event tells it."""
    config: str | None = None
    migration_threshold: int | None = None
    """DBC: raw quote at which the curve is full."""
    fee_bps: int | None = None
    """All fees together in basis points, where the event tells them."""
    base_supply: int | None = None
    is_inverted: bool | None = None
    """Pools: whether the pool itself has the launched token as its quote; None on curves."""
    compute_units: int | None = None
    priority_fee: int | None = None
    """Lamports."""


class Completion(EventHead, frozen=True, kw_only=True):
    """The curve is full and closed to trade."""

    mint: str
    bonding_curve: str
    quote_mint: str
    base_reserves: int | None = None
    quote_reserves: int | None = None


class Migration(EventHead, frozen=True, kw_only=True):
    """Liquidity moved from the curve to an AMM: the token graduated. `program` is where it left."""

    mint: str
    bonding_curve: str
    pool: str
    to_program: Protocol
    quote_mint: str
    base_amount: int | None
    """Tokens moved, raw; None where the transaction does not tell it."""
    quote_amount: int | None


class PoolCreation(EventHead, frozen=True, kw_only=True):
    """An AMM pool with a launched token on one side came to be. Base is the launched token even in inverted pools."""

    mint: str
    pool: str
    quote_mint: str
    base_decimals: int
    quote_decimals: int
    creator: str
    coin_creator: str | None
    base_reserves: int
    quote_reserves: int
    is_inverted: bool
    lp_mint: str | None = None


Event: TypeAlias = Launch | Trade | Completion | Migration | PoolCreation


class TokenBalance(msgspec.Struct, frozen=True, gc=False):
    """Balance of one token account after a transaction, raw."""

    account: str
    mint: str
    owner: str
    amount: int
    decimals: int


class Rate(msgspec.Struct, frozen=True, gc=False):
    """What one whole quote token was worth in US dollars; `usd` is a decimal string to stay exact."""

    quote_mint: str
    time: int
    """Unix seconds."""
    usd: str


_TRANSACTION_BITS = 18
_EVENT_BITS = 12
UNKNOWN_TRANSACTION_INDEX = (1 << _TRANSACTION_BITS) - 1
MAX_EVENT_INDEX = (1 << _EVENT_BITS) - 1


def pack_position(slot: int, transaction_index: int | None, event_index: int) -> int:
    """Packs (slot, transaction index, event index) so that integer order is chain order.

    33 bits of slot, 18 of transaction (262,143 a block; the largest value means unknown and sorts last), 12 of event.
    Bounds beyond any real block are clamped: identity, not position, keeps events apart.
    """
    transaction = UNKNOWN_TRANSACTION_INDEX if transaction_index is None else transaction_index
    transaction = min(transaction, UNKNOWN_TRANSACTION_INDEX)
    event = min(event_index, MAX_EVENT_INDEX)
    return (slot << (_TRANSACTION_BITS + _EVENT_BITS)) | (transaction << _EVENT_BITS) | event


def unpack_position(position: int) -> tuple[int, int | None, int]:
    """The slot, transaction index (None where unknown) and event index of a packed position."""
    transaction = (position >> _EVENT_BITS) & UNKNOWN_TRANSACTION_INDEX
    return (
        position >> (_TRANSACTION_BITS + _EVENT_BITS),
        None if transaction == UNKNOWN_TRANSACTION_INDEX else transaction,
        position & MAX_EVENT_INDEX,
    )


def event_identity(signature: str, program_id: str, ordinal: int) -> bytes:
    """16 bytes, BLAKE2b of `signature/program/ordinal`."""
    return hashlib.blake2b(f"{signature}/{program_id}/{ordinal}".encode(), digest_size=16).digest()
