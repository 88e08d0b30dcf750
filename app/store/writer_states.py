"""What an event does to its token and venues: pure rules under which every order of arrival ends the same.

Each fact is taken from one event, chosen by chain order and never by arrival: state from the newest that tells it,
origin from the best and then earliest. What follows from several facts (stage, price) is computed from them afresh.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from app.domain.events import Completion, Event, Launch, Migration, PoolCreation, Trade
from app.domain.money import multiply, spot_price, whole
from app.domain.programs import QUOTE_DECIMALS, Commitment, Protocol, Stage, TradeProgram
from app.store.writer_rows import ChainKey, GraduationRow, TokenRow, VenueRow

_USUAL_DECIMALS = 6
"""Of a launched token, until an event or balance tells: only completions and migrations leave it open."""
_USUAL_QUOTE_DECIMALS = 9
_ALL_BITS = (1 << 256) - 1


@dataclass(slots=True)
class TokenState:
    """A token with its venues and graduations, as stored; `row` and the others are changed in place."""

    row: TokenRow
    venues: dict[str, VenueRow] = field(default_factory=dict)
    graduations: dict[bytes, GraduationRow] = field(default_factory=dict)
    met: set[str] = field(default_factory=set)
    """Addresses of the venues that the running batch speaks of."""
    stored: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    """By mint or venue: what is stored of the row, without what moves with each trade (`writer_changes`)."""

    @property
    def curve(self) -> VenueRow | None:
        for venue in self.venues.values():
            if venue.kind == TradeProgram.BONDING_CURVE:
                return venue
        return None

    @property
    def pools(self) -> list[VenueRow]:
        return [venue for venue in self.venues.values() if venue.kind == TradeProgram.AMM_POOL]


def chain_key(event: Event) -> ChainKey:
    return (event.block_time, event.position, event.identity)


def apply(state: TokenState, event: Event, key: ChainKey) -> None:
    """Takes every fact of `event`, whose chain key is `key`, into `state`; `settle` must follow the last event."""
    _note_origin(state.row, event, key)
    _note_as_of(state.row, event, key)
    match event:
        case Launch():
            _apply_launch(state, event, key)
        case Trade():
            _apply_trade(state, event, key)
        case PoolCreation():
            _apply_pool_creation(state, event, key)
        case Completion():
            state.row.completed_at = _earliest(state.row.completed_at, event.block_time)
        case Migration():
            state.row.graduated_at = _earliest(state.row.graduated_at, event.block_time)


def confirm(state: TokenState, event: Event, key: ChainKey) -> list[int]:
    """An event that is stored came again: what follows from it is as certain as the more certain of both.

    Returns the sequence of a launch, completion or graduation that may be confirmed only now; how certain the first two
    were told to be, nobody keeps.
    """
    row = state.row
    if (row.as_of_time, row.as_of_position) == key[:2]:
        row.as_of_commitment = max(row.as_of_commitment, int(event.commitment))
    for address, _, _ in venues_of(event):
        venue = state.venues[address]
        if venue.as_of == key:
            venue.as_of_commitment = max(venue.as_of_commitment, int(event.commitment))
    if (graduation := state.graduations.get(key[2])) is not None:
        graduation.commitment = max(graduation.commitment, int(event.commitment))
    if event.commitment < Commitment.CONFIRMED:
        return []
    if graduation is not None:
        return [graduation.sequence]
    if isinstance(event, Completion):
        return [row.completed_sequence] if row.completed_sequence is not None else []
    return [row.launch_sequence] if isinstance(event, Launch) and row.launch_sequence is not None else []


def market_cap_at_graduation(state: TokenState, quote_usd: Decimal | None) -> Decimal | None:
    """US dollars: the curve's last spot, times the supply, times the rate at the migration."""
    curve, supply = state.curve, state.row.total_supply
    spot = None if curve is None else _spot(curve, state.row)
    if spot is None or supply is None or quote_usd is None:
        return None
    return multiply(multiply(spot, whole(supply, state.row.decimals)), quote_usd)


def note_extremes(row: TokenRow, price_usd: Decimal, time: int) -> None:
    """All-time high and low in US dollars; of equal prices the earliest counts."""
    high, low = row.ath_price_usd, row.atl_price_usd
    if high is None or price_usd > high or (price_usd == high and time < (row.ath_at or 0)):
        row.ath_price_usd, row.ath_at = price_usd, time
    if low is None or price_usd < low or (price_usd == low and time < (row.atl_at or 0)):
        row.atl_price_usd, row.atl_at = price_usd, time


def settle(state: TokenState) -> None:
    """Computes stage and price from the facts."""
    row = state.row
    row.stage = _stage(state)
    venue = _pricing_venue(state)
    if venue is None:
        row.price, row.price_kind = None, TradeProgram.BONDING_CURVE
        row.price_time, row.price_position, row.price_identity = row.as_of_time, row.as_of_position, b""
        row.price_commitment = row.as_of_commitment
        return
    row.price, row.price_kind = _spot(venue, row), venue.kind
    row.price_time, row.price_position, row.price_identity = venue.as_of
    row.price_commitment = venue.as_of_commitment


def venues_of(event: Event) -> list[tuple[str, Protocol, TradeProgram]]:
    """The venues that an event speaks of: address, program and kind."""
    curve, pool = TradeProgram.BONDING_CURVE, TradeProgram.AMM_POOL
    match event:
        case Trade():
            return [(event.venue, event.program, event.venue_kind)]
        case PoolCreation():
            return [(event.pool, event.program, pool)]
        case Migration():
            return [(event.bonding_curve, event.program, curve), (event.pool, event.to_program, pool)]
        case _:
            return [(event.bonding_curve, event.program, curve)]


def new_token(token_id: int, event: Event) -> TokenRow:
    """A token first seen in `event`."""
    return TokenRow(id=token_id, mint=event.mint, decimals=_base_decimals(event))


def new_venue(
    venue_id: int, token_id: int, address: str, protocol: int, kind: int, event: Event, key: ChainKey
) -> VenueRow:
    """A venue first seen in `event`, without state yet."""
    return VenueRow(
        id=venue_id,
        address=address,
        token_id=token_id,
        protocol=protocol,
        kind=kind,
        quote_mint=event.quote_mint,
        quote_decimals=_quote_decimals(event),
        created_at=event.block_time,
        as_of_time=key[0],
        as_of_position=key[1],
        as_of_identity=key[2],
        as_of_commitment=event.commitment,
    )


def note_venue(venue: VenueRow, event: Event, key: ChainKey) -> None:
    """A venue's first record: the earliest event, whichever came first."""
    venue.created_at = min(venue.created_at, event.block_time)
    if isinstance(event, Launch | Trade | PoolCreation):
        venue.quote_decimals = event.quote_decimals
    if not venue.has_state and key < venue.as_of:
        _set_as_of(venue, event, key)


def _apply_launch(state: TokenState, event: Launch, key: ChainKey) -> None:
    row, curve = state.row, state.venues[event.bonding_curve]
    row.decimals = event.base_decimals
    if event.name is not None:
        row.name = text(event.name)
    if event.symbol is not None:
        row.symbol = text(event.symbol)
    if event.uri is not None:
        row.uri = text(event.uri)
    row.token_program = event.token_program or row.token_program
    row.launch_identity = event.identity
    _note_creator(row, event.creator, 2, key)
    _note_supply(row, event.total_supply, key)
    curve.config = event.config or curve.config
    if event.real_base_reserves is not None:
        curve.initial_real_base_reserves = event.real_base_reserves
    _note_state(curve, event, key)


def _apply_trade(state: TokenState, event: Trade, key: ChainKey) -> None:
    row, venue = state.row, state.venues[event.venue]
    row.decimals = event.base_decimals
    row.trade_count += 1
    row.last_trade_at = event.block_time if row.last_trade_at is None else max(row.last_trade_at, event.block_time)
    if event.creator is not None:
        _note_creator(row, event.creator, 1, key)
    _note_supply(row, event.base_supply, key)
    venue.config = event.config or venue.config
    venue.is_inverted = venue.is_inverted if event.is_inverted is None else event.is_inverted
    venue.migration_threshold = event.migration_threshold or venue.migration_threshold
    _note_state(venue, event, key)


def _apply_pool_creation(state: TokenState, event: PoolCreation, key: ChainKey) -> None:
    pool = state.venues[event.pool]
    state.row.decimals = event.base_decimals
    pool.is_inverted = event.is_inverted
    if pool.has_state and key < pool.as_of:
        return
    _set_as_of(pool, event, key)
    pool.virtual_base_reserves = pool.real_base_reserves = event.base_reserves
    pool.virtual_quote_reserves = pool.real_quote_reserves = event.quote_reserves
    pool.fee_bps = None


def _note_state(venue: VenueRow, event: Launch | Trade, key: ChainKey) -> None:
    """Newest in chain order wins; an event that tells no state at all changes nothing."""
    if event.sqrt_price is None and event.virtual_base_reserves is None:
        return
    if venue.has_state and key < venue.as_of:
        return
    _set_as_of(venue, event, key)
    venue.virtual_base_reserves, venue.virtual_quote_reserves = (
        event.virtual_base_reserves,
        event.virtual_quote_reserves,
    )
    venue.real_base_reserves, venue.real_quote_reserves = event.real_base_reserves, event.real_quote_reserves
    venue.sqrt_price, venue.fee_bps = event.sqrt_price, event.fee_bps


def _set_as_of(venue: VenueRow, event: Event, key: ChainKey) -> None:
    known = venue.as_of_commitment if venue.as_of == key else 0
    venue.as_of_time, venue.as_of_position, venue.as_of_identity = key
    venue.as_of_commitment = max(known, event.commitment)


def _note_as_of(row: TokenRow, event: Event, key: ChainKey) -> None:
    place = (key[0], key[1], int(event.commitment))
    if place > (row.as_of_time, row.as_of_position, row.as_of_commitment):
        row.as_of_time, row.as_of_position, row.as_of_commitment = place


def _note_origin(row: TokenRow, event: Event, key: ChainKey) -> None:
    """Program, quote and time of creation: from the launch, else the earliest event on a curve, else on a pool."""
    rank = 3 if isinstance(event, Launch) else 2 if event.program.is_curve else 1
    if row.origin_key and rank < row.origin_key[0]:
        return
    mark = _earlier_first(rank, key)
    if mark > row.origin_key:
        row.origin_key = mark
        row.protocol, row.quote_mint, row.quote_decimals = event.program, event.quote_mint, _quote_decimals(event)
        row.created_at, row.created_position = event.block_time, event.position


def _note_creator(row: TokenRow, creator: str, rank: int, key: ChainKey) -> None:
    """The launch (rank 2) tells it; else the newest trade that does (rank 1)."""
    if row.creator_key is not None and rank < row.creator_key[0]:
        return
    mark = _later_first(rank, key)
    if row.creator_key is None or mark > row.creator_key:
        row.creator, row.creator_key = creator, mark


def _note_supply(row: TokenRow, supply: int | None, key: ChainKey) -> None:
    """The newest event that tells it: supplies shrink when tokens are burnt."""
    if supply is None:
        return
    mark = _later_first(1, key)
    if row.supply_key is None or mark > row.supply_key:
        row.total_supply, row.supply_key = supply, mark


def _stage(state: TokenState) -> Stage:
    """A pool makes a token graduated only where its curve is full or unknown: anybody may open a pool before."""
    row = state.row
    if row.graduated_at is not None or (state.pools and (state.curve is None or row.completed_at is not None)):
        return Stage.GRADUATED
    return Stage.COMPLETED if row.completed_at is not None else Stage.BONDING


def _pricing_venue(state: TokenState) -> VenueRow | None:
    """The curve until graduation, then the pool in the token's own quote that changed last, the curve until one did."""
    candidates = [state.curve] if state.curve else []
    if state.row.stage == Stage.GRADUATED:
        pools = [pool for pool in state.pools if pool.quote_mint == state.row.quote_mint and pool.has_state]
        candidates = sorted(pools, key=lambda pool: pool.as_of, reverse=True) + candidates
    return next((venue for venue in candidates if _spot(venue, state.row) is not None), None)


def _spot(venue: VenueRow, row: TokenRow) -> Decimal | None:
    return spot_price(
        venue.virtual_quote_reserves,
        venue.virtual_base_reserves,
        venue.sqrt_price,
        venue.quote_decimals,
        row.decimals,
    )


def _base_decimals(event: Event) -> int:
    return event.base_decimals if isinstance(event, Launch | Trade | PoolCreation) else _USUAL_DECIMALS


def _quote_decimals(event: Event) -> int:
    if isinstance(event, Launch | Trade | PoolCreation):
        return event.quote_decimals
    return QUOTE_DECIMALS.get(event.quote_mint, _USUAL_QUOTE_DECIMALS)


def _earliest(known: int | None, time: int) -> int:
    return time if known is None else min(known, time)


def text(value: str | None) -> str | None:
    """Text as Postgres can keep it: without NUL."""
    return None if value is None else value.replace("\x00", "")


def _later_first(rank: int, key: ChainKey) -> bytes:
    """Bytes that sort by rank, then chain order."""
    time, position, identity = key
    return bytes((rank,)) + time.to_bytes(8, "big") + position.to_bytes(8, "big") + identity


def _earlier_first(rank: int, key: ChainKey) -> bytes:
    """Bytes that sort by rank, then against chain order."""
    forward = int.from_bytes(_later_first(0, key), "big")
    return bytes((rank,)) + (_ALL_BITS - forward).to_bytes(32, "big")
