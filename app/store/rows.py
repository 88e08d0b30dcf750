"""Rows of SQL to records of the domain: every conversion of a stored value stands here once."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeAlias

from solders.signature import Signature
from sqlalchemy import Row

from app.domain.events import unpack_position
from app.domain.money import spot_price
from app.domain.programs import Commitment, Protocol, Side, Stage, TradeProgram, certainty
from app.domain.records import ChainPoint, CurveState, GraduationRecord, PoolState, TokenRecord, TradeRecord

AnyRow: TypeAlias = Row[Any]


def to_seconds(time: datetime) -> int:
    """Unix seconds of a stored time."""
    return int(time.timestamp())


def to_time(seconds: int) -> datetime:
    """The UTC time of Unix seconds, as columns hold it."""
    return datetime.fromtimestamp(seconds, UTC)


def trade_record(row: AnyRow) -> TradeRecord:
    """A row of `app.store.trades.select_trades`."""
    virtual_base, virtual_quote = _integer(row.virtual_base_reserves), _integer(row.virtual_quote_reserves)
    sqrt_price = _integer(row.sqrt_price)
    return TradeRecord(
        sequence=row.sequence,
        identity=row.identity,
        position=row.position,
        block_time=to_seconds(row.block_time),
        indexed_at=row.indexed_at.astimezone(UTC),
        commitment=_certainty(row),
        signature=signature_text(row.signature),
        ordinal=row.ordinal,
        program=Protocol(row.protocol),
        venue=row.venue,
        venue_kind=TradeProgram(row.venue_kind),
        mint=row.mint,
        base_decimals=row.base_decimals,
        quote_mint=row.quote_mint,
        quote_decimals=row.quote_decimals,
        total_supply=_integer(row.total_supply),
        creator=row.creator,
        side=Side(row.side),
        trader=row.trader,
        base_amount=int(row.base_amount),
        quote_amount=int(row.quote_amount),
        fee=_integer(row.fee),
        virtual_base_reserves=virtual_base,
        virtual_quote_reserves=virtual_quote,
        real_base_reserves=_integer(row.real_base_reserves),
        real_quote_reserves=_integer(row.real_quote_reserves),
        sqrt_price=sqrt_price,
        spot_price=spot_price(virtual_quote, virtual_base, sqrt_price, row.quote_decimals, row.base_decimals),
        quote_usd=row.quote_usd,
        compute_units=row.compute_units,
        priority_fee=row.priority_fee,
        is_first_trade=row.is_first_trade,
    )


def token_record(row: AnyRow, venues: Sequence[AnyRow]) -> TokenRecord:
    """A row of `tokens` with the rows of its venues."""
    curves = [curve_state(venue, row) for venue in venues if venue.kind == TradeProgram.BONDING_CURVE]
    pools = [pool_state(venue, row) for venue in venues if venue.kind == TradeProgram.AMM_POOL]
    return TokenRecord(
        token_id=row.id,
        mint=row.mint,
        decimals=row.decimals,
        name=row.name,
        symbol=row.symbol,
        uri=row.uri,
        creator=row.creator,
        protocol=Protocol(row.protocol),
        quote_mint=row.quote_mint,
        quote_decimals=row.quote_decimals,
        total_supply=_integer(row.total_supply),
        created_at=to_seconds(row.created_at),
        launch_sequence=row.launch_sequence,
        stage=Stage(row.stage),
        completed_at=_seconds(row.completed_at),
        graduated_at=_seconds(row.graduated_at),
        curve=curves[0] if curves else None,
        pools=tuple(sorted(pools, key=_depth, reverse=True)),
        price=row.price,
        price_kind=TradeProgram(row.price_kind),
        price_at=_point(row.price_position, row.price_time, row.price_commitment, row.settled_slot),
        last_trade_at=_seconds(row.last_trade_at),
        trade_count=row.trade_count,
        holders=row.holders,
        ath_price_usd=row.ath_price_usd,
        ath_at=_seconds(row.ath_at),
        atl_price_usd=row.atl_price_usd,
        atl_at=_seconds(row.atl_at),
        as_of=_point(row.as_of_position, row.as_of_time, row.as_of_commitment, row.settled_slot),
    )


def curve_state(row: AnyRow, token: AnyRow) -> CurveState:
    """A row of `venues` that is a bonding curve of `token`."""
    return CurveState(
        address=row.address,
        protocol=Protocol(row.protocol),
        config=row.config,
        virtual_base_reserves=_integer(row.virtual_base_reserves),
        virtual_quote_reserves=_integer(row.virtual_quote_reserves),
        real_base_reserves=_integer(row.real_base_reserves),
        real_quote_reserves=_integer(row.real_quote_reserves),
        sqrt_price=_integer(row.sqrt_price),
        initial_real_base_reserves=_integer(row.initial_real_base_reserves),
        migration_threshold=_integer(row.migration_threshold),
        fee_bps=row.fee_bps,
        as_of=_point(row.as_of_position, row.as_of_time, row.as_of_commitment, token.settled_slot),
    )


def pool_state(row: AnyRow, token: AnyRow) -> PoolState:
    """A row of `venues` that is a pool of `token`."""
    return PoolState(
        address=row.address,
        protocol=Protocol(row.protocol),
        mint=token.mint,
        quote_mint=row.quote_mint,
        base_decimals=token.decimals,
        quote_decimals=row.quote_decimals,
        base_reserves=_integer(row.real_base_reserves),
        quote_reserves=_integer(row.real_quote_reserves),
        virtual_quote_reserves=_integer(row.virtual_quote_reserves),
        fee_bps=row.fee_bps,
        created_at=to_seconds(row.created_at),
        as_of=_point(row.as_of_position, row.as_of_time, row.as_of_commitment, token.settled_slot),
    )


def graduation_record(row: AnyRow) -> GraduationRecord:
    """A row of `app.store.graduations.select_graduations`."""
    block_time = to_seconds(row.block_time)
    # Where the launch was not indexed, `created_at` is only the first record: no duration follows from it.
    launched = None if row.launch_sequence is None else to_seconds(row.created_at)
    return GraduationRecord(
        sequence=row.sequence,
        identity=row.identity,
        position=row.position,
        block_time=block_time,
        commitment=_certainty(row),
        signature=signature_text(row.signature),
        ordinal=row.ordinal,
        mint=row.mint,
        from_protocol=Protocol(row.from_protocol),
        to_protocol=Protocol(row.to_protocol),
        pool=row.pool,
        quote_mint=row.quote_mint,
        base_amount=_integer(row.base_amount),
        quote_amount=_integer(row.quote_amount),
        market_cap_usd=row.market_cap_usd,
        seconds_to_graduate=None if launched is None else block_time - launched,
    )


def _integer(value: Decimal | None) -> int | None:
    return None if value is None else int(value)


def _seconds(time: datetime | None) -> int | None:
    return None if time is None else to_seconds(time)


def _point(position: int, time: datetime, commitment: int, settled_slot: int | None) -> ChainPoint:
    slot = unpack_position(position)[0]
    return ChainPoint(slot, to_seconds(time), certainty(commitment, slot, settled_slot))


def _certainty(row: AnyRow) -> Commitment:
    return certainty(row.commitment, unpack_position(row.position)[0], row.settled_slot)


def signature_text(stored: bytes) -> str:
    """Base58 of a stored signature."""
    return str(Signature.from_bytes(stored))


def _depth(pool: PoolState) -> int:
    return pool.quote_reserves or 0
