"""From the writer's states to the records that go over the bus: equal to what reads give for the same rows."""

from datetime import datetime

from app.domain.events import unpack_position
from app.domain.programs import Protocol, Stage, TradeProgram, certainty
from app.domain.records import ChainPoint, CurveState, GraduationRecord, PoolState, TokenRecord, TradeRecord
from app.store.writer_rows import GraduationRow, TokenRow, VenueRow
from app.store.writer_states import TokenState
from app.store.writer_trades import NewTrade

_PROTOCOLS = {int(each): each for each in Protocol}
_STAGES = {int(each): each for each in Stage}
_KINDS = {int(each): each for each in TradeProgram}
"""Looked up in a fifth of the time that calling the enumeration takes."""


def trade_record(
    trade: NewTrade, row: TokenRow, is_first: bool, indexed_at: datetime, settled_slot: int | None
) -> TradeRecord:
    """A trade just stored; supply and creator are the token's, as known now."""
    event = trade.event
    return TradeRecord(
        sequence=trade.sequence,
        identity=trade.key[2],
        position=trade.key[1],
        block_time=trade.key[0],
        indexed_at=indexed_at,
        commitment=certainty(event.commitment, event.slot, settled_slot),
        signature=event.signature,
        ordinal=event.ordinal,
        program=event.program,
        venue=event.venue,
        venue_kind=event.venue_kind,
        mint=event.mint,
        base_decimals=event.base_decimals,
        quote_mint=event.quote_mint,
        quote_decimals=event.quote_decimals,
        total_supply=row.total_supply,
        creator=row.creator,
        side=event.side,
        trader=event.trader,
        base_amount=event.base_amount,
        quote_amount=event.quote_amount,
        fee=event.fee,
        virtual_base_reserves=event.virtual_base_reserves,
        virtual_quote_reserves=event.virtual_quote_reserves,
        real_base_reserves=event.real_base_reserves,
        real_quote_reserves=event.real_quote_reserves,
        sqrt_price=event.sqrt_price,
        spot_price=trade.spot,
        quote_usd=trade.quote_usd,
        compute_units=event.compute_units,
        priority_fee=event.priority_fee,
        is_first_trade=is_first,
    )


def token_record(state: TokenState, settled_slot: int | None) -> TokenRecord:
    """A token with all its venues."""
    row, curve = state.row, state.curve
    pools = [_pool(venue, row, settled_slot) for venue in state.pools]
    return TokenRecord(
        token_id=row.id,
        mint=row.mint,
        decimals=row.decimals,
        name=row.name,
        symbol=row.symbol,
        uri=row.uri,
        creator=row.creator,
        protocol=_PROTOCOLS[row.protocol],
        quote_mint=row.quote_mint,
        quote_decimals=row.quote_decimals,
        total_supply=row.total_supply,
        created_at=row.created_at,
        launch_sequence=row.launch_sequence,
        stage=_STAGES[row.stage],
        completed_at=row.completed_at,
        graduated_at=row.graduated_at,
        curve=None if curve is None else _curve(curve, settled_slot),
        pools=tuple(sorted(pools, key=lambda pool: pool.quote_reserves or 0, reverse=True)),
        price=row.price,
        price_kind=_KINDS[row.price_kind],
        price_at=_point(row.price_position, row.price_time, row.price_commitment, settled_slot),
        last_trade_at=row.last_trade_at,
        trade_count=row.trade_count,
        holders=row.holders,
        ath_price_usd=row.ath_price_usd,
        ath_at=row.ath_at,
        atl_price_usd=row.atl_price_usd,
        atl_at=row.atl_at,
        as_of=_point(row.as_of_position, row.as_of_time, row.as_of_commitment, settled_slot),
    )


def graduation_record(
    graduation: GraduationRow, signature: str, state: TokenState, settled_slot: int | None
) -> GraduationRecord:
    """A migration just stored."""
    pool = next(venue for venue in state.venues.values() if venue.id == graduation.venue_id)
    launched = None if state.row.launch_sequence is None else state.row.created_at
    return GraduationRecord(
        sequence=graduation.sequence,
        identity=graduation.identity,
        position=graduation.position,
        block_time=graduation.block_time,
        commitment=certainty(graduation.commitment, unpack_position(graduation.position)[0], settled_slot),
        signature=signature,
        ordinal=graduation.ordinal,
        mint=state.row.mint,
        from_protocol=_PROTOCOLS[graduation.from_protocol],
        to_protocol=_PROTOCOLS[graduation.to_protocol],
        pool=pool.address,
        quote_mint=pool.quote_mint,
        base_amount=graduation.base_amount,
        quote_amount=graduation.quote_amount,
        market_cap_usd=graduation.market_cap_usd,
        seconds_to_graduate=None if launched is None else graduation.block_time - launched,
    )


def _curve(venue: VenueRow, settled_slot: int | None) -> CurveState:
    return CurveState(
        address=venue.address,
        protocol=_PROTOCOLS[venue.protocol],
        config=venue.config,
        virtual_base_reserves=venue.virtual_base_reserves,
        virtual_quote_reserves=venue.virtual_quote_reserves,
        real_base_reserves=venue.real_base_reserves,
        real_quote_reserves=venue.real_quote_reserves,
        sqrt_price=venue.sqrt_price,
        initial_real_base_reserves=venue.initial_real_base_reserves,
        migration_threshold=venue.migration_threshold,
        fee_bps=venue.fee_bps,
        as_of=_point(venue.as_of_position, venue.as_of_time, venue.as_of_commitment, settled_slot),
    )


def _pool(venue: VenueRow, token: TokenRow, settled_slot: int | None) -> PoolState:
    return PoolState(
        address=venue.address,
        protocol=_PROTOCOLS[venue.protocol],
        mint=token.mint,
        quote_mint=venue.quote_mint,
        base_decimals=token.decimals,
        quote_decimals=venue.quote_decimals,
        base_reserves=venue.real_base_reserves,
        quote_reserves=venue.real_quote_reserves,
        virtual_quote_reserves=venue.virtual_quote_reserves,
        fee_bps=venue.fee_bps,
        created_at=venue.created_at,
        as_of=_point(venue.as_of_position, venue.as_of_time, venue.as_of_commitment, settled_slot),
    )


def _point(position: int, time: int, commitment: int, settled_slot: int | None) -> ChainPoint:
    slot = unpack_position(position)[0]
    return ChainPoint(slot, time, certainty(commitment, slot, settled_slot))
