"""Events and states as the store keeps them and clients see them: one shape, whether read by SQL or from the bus.

A record is immutable. Times are Unix seconds of the chain unless the name says otherwise. Amounts are raw integers,
prices `Decimal` in whole quote tokens per whole token (see `app.domain.money`).
"""

from datetime import datetime
from decimal import Decimal
from enum import IntEnum

import msgspec

from app.domain.events import Rate, unpack_position
from app.domain.programs import Commitment, Protocol, Side, Stage, TradeProgram


class ChainPoint(msgspec.Struct, frozen=True, gc=False):
    """A slot with its block time and certainty."""

    slot: int
    time: int
    commitment: Commitment


class TradeRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A stored trade. Field meanings as in `app.domain.events.Trade`."""

    sequence: int
    """Feed order: dense, given at commit."""
    identity: bytes
    position: int
    """Chain order, packed."""
    block_time: int
    indexed_at: datetime
    """UTC; the only wall-clock column of a trade."""
    commitment: Commitment
    signature: str
    ordinal: int
    program: Protocol
    venue: str
    venue_kind: TradeProgram
    mint: str
    base_decimals: int
    quote_mint: str
    quote_decimals: int
    total_supply: int | None
    """Raw supply of the token, for the market cap after the trade."""
    creator: str | None
    """Creator of the token."""
    side: Side
    trader: str
    base_amount: int
    quote_amount: int
    fee: int | None
    virtual_base_reserves: int | None
    virtual_quote_reserves: int | None
    real_base_reserves: int | None
    real_quote_reserves: int | None
    sqrt_price: int | None
    spot_price: Decimal | None
    """Venue's price after the trade."""
    quote_usd: Decimal | None
    """US dollars per whole quote token at that time; None without a fresh rate."""
    compute_units: int | None
    priority_fee: int | None
    is_first_trade: bool
    """Whether it is the trader's first indexed trade in this token, in chain order; an older one takes its place."""
    price_paid: Decimal | None = None
    """Only where several trades were merged for a slow reader: the newest one's price, which the sums do not tell."""

    @property
    def slot(self) -> int:
        return unpack_position(self.position)[0]

    @property
    def transaction_index(self) -> int | None:
        return unpack_position(self.position)[1]

    @property
    def event_index(self) -> int:
        return unpack_position(self.position)[2]


class CurveState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Bonding curve of a token, newest state in chain order."""

    address: str
    protocol: Protocol
    config: str | None
    virtual_base_reserves: int | None
    virtual_quote_reserves: int | None
    real_base_reserves: int | None
    real_quote_reserves: int | None
    sqrt_price: int | None
    initial_real_base_reserves: int | None
    """What the curve had to sell at launch; None where the launch was not indexed."""
    migration_threshold: int | None
    """DBC: raw quote at which the curve is full."""
    fee_bps: int | None
    as_of: ChainPoint


class PoolState(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """AMM pool of a token, newest state in chain order; base is the launched token."""

    address: str
    protocol: Protocol
    mint: str
    quote_mint: str
    base_decimals: int
    quote_decimals: int
    base_reserves: int | None
    quote_reserves: int | None
    virtual_quote_reserves: int | None
    """Quote that prices the pool: `quote_reserves` with boost's virtual quote."""
    fee_bps: int | None
    created_at: int
    """Block time of its creation, or of its first indexed record."""
    as_of: ChainPoint


class TokenRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A token with its newest state, all at one point of the feed."""

    token_id: int
    mint: str
    decimals: int
    name: str | None
    symbol: str | None
    uri: str | None
    creator: str | None
    protocol: Protocol
    """Program of its curve; of its first seen venue where the curve was never indexed."""
    quote_mint: str
    quote_decimals: int
    total_supply: int | None
    created_at: int
    """Launch time; time of the first indexed record where the launch was not indexed."""
    launch_sequence: int | None
    """Feed position of the launch; None where the launch was not indexed."""
    stage: Stage
    completed_at: int | None
    graduated_at: int | None
    curve: CurveState | None
    pools: tuple[PoolState, ...]
    price: Decimal | None
    """Newest spot; before the first trade the opening price. None only where nothing prices it yet."""
    price_kind: TradeProgram
    price_at: ChainPoint
    last_trade_at: int | None
    trade_count: int
    holders: int | None
    ath_price_usd: Decimal | None
    ath_at: int | None
    atl_price_usd: Decimal | None
    atl_at: int | None
    as_of: ChainPoint
    """Newest event that changed anything of it."""


class GraduationRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A stored migration from a curve to an AMM."""

    sequence: int
    identity: bytes
    position: int
    block_time: int
    commitment: Commitment
    signature: str
    ordinal: int
    mint: str
    from_protocol: Protocol
    to_protocol: Protocol
    pool: str
    quote_mint: str
    base_amount: int | None
    quote_amount: int | None
    market_cap_usd: Decimal | None
    """At the newest spot before or at the migration and the rate then."""
    seconds_to_graduate: int | None

    @property
    def slot(self) -> int:
        return unpack_position(self.position)[0]


class RecordKind(IntEnum):
    """What an event is stored as."""

    TRADE = 1
    LAUNCH = 2
    COMPLETION = 3
    GRADUATION = 4
    POOL = 5


class Milestone(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A launch or a completion, as it came."""

    sequence: int
    kind: RecordKind
    mint: str
    position: int
    block_time: int
    commitment: Commitment
    signature: str | None
    """None where an older version stored it, which did not keep it; its slot is then unknown, 0."""

    @property
    def slot(self) -> int:
        return unpack_position(self.position)[0]


class Head(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """How far the indexer has come."""

    point: ChainPoint
    finalized: ChainPoint | None
    sequence: int
    """Newest sequence that is committed."""
    source: str
    """Sources by name, as `simulate`; comma separated."""
    is_simulated: bool
    tip_slot: int | None = None
    """The chain's own newest slot; None where no source tells it."""
    complete_slot: int | None = None
    """Newest slot that was handed over whole, also where it held nothing of ours; None where no source tells it."""

    @property
    def lag_slots(self) -> int:
        """Slots between the chain's tip and ours; 0 where no source tells the tip."""
        return max(0, (self.tip_slot or 0) - max(self.point.slot, self.complete_slot or 0))


class Withdrawn(msgspec.Struct, frozen=True, gc=False):
    """A record that was stored and left again, because its block is not part of the chain."""

    kind: RecordKind
    sequence: int
    """The one that it had; 0 for a pool, which has none."""
    mint: str
    block_time: int
    identity: bytes
    slot: int = 0
    """The one that left."""


class Batch(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one commit stored, as it goes over the bus: already queryable when it is seen.

    Sequences are dense over trades, launches, completions, graduations and withdrawn slots: `previous_sequence + 1 ==
    first_sequence`; a reader whose last sequence is not `previous_sequence` has a hole and reads it from Postgres.
    """

    previous_sequence: int
    first_sequence: int
    last_sequence: int
    trades: tuple[TradeRecord, ...] = ()
    launches: tuple[int, ...] = ()
    """Sequences of launches; the token is in `tokens` by `launch_sequence`."""
    graduations: tuple[GraduationRecord, ...] = ()
    milestones: tuple[Milestone, ...] = ()
    """Launches and completions."""
    tokens: tuple[TokenRecord, ...] = ()
    """New state of every token that the batch touched, once each; a token that left altogether is not among them."""
    rolled_back: tuple[Withdrawn, ...] = ()
    """What left the chain, before anything else of the batch came. Each slot of it has a sequence of its own."""
    rates: tuple[Rate, ...] = ()
    """Newest rate of each quote mint, when it changed."""
    head: Head
    confirmed: tuple[int, ...] = ()
    """Sequences of records that were stored before and came again more certain: confirmed at least. Not told by reads
    of the store, whose records carry what they are by then."""
    arrived_at: float = 0.0
    """`time.time()` when the oldest event of the batch reached the indexer: for latency figures only."""
