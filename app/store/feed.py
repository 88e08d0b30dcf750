"""Reads in feed order: the newest state of the feed, and what it holds after a sequence, for repair and for `after`."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain.events import Rate, pack_position, unpack_position
from app.domain.programs import Commitment, certainty
from app.domain.records import (
    Batch,
    ChainPoint,
    Head,
    RecordKind,
    TokenRecord,
    TradeRecord,
    Withdrawn,
)
from app.store.graduations import read_graduations_by_sequence
from app.store.milestones import read_milestones
from app.store.rows import AnyRow, to_seconds, to_time
from app.store.settled import SETTLED_SLOT
from app.store.tables import feed, graduations, milestones, rates, retractions, tokens, trades
from app.store.tokens import read_launches, read_tokens, read_tokens_by_id
from app.store.trades import read_trades_by_sequence

PAGE = 500
"""Sequences that one repair read covers, and records that one page of stored records holds."""
_RATES_SECONDS = 3_600
"""How far back the newest rates are looked for: older ones are of no use, and a bound keeps the read short."""


async def read_head(engine: AsyncEngine) -> Head | None:
    """How far the store has come; None before the first commit."""
    async with engine.connect() as connection:
        return await _head(connection)


@asynccontextmanager
async def one_moment(engine: AsyncEngine) -> AsyncIterator[tuple[AsyncConnection, Head | None]]:
    """A connection on which every read sees the store as it is now, and how far that is."""
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection, await _head(connection)


async def read_batch(engine: AsyncEngine, after: int) -> Batch | None:
    """Everything that the next `PAGE` sequences after `after` hold, as if one commit had stored them, with the state
    that the touched tokens have now; None when nothing comes after it."""
    async with engine.connect() as connection:
        head = await _head(connection)
        if head is None or head.sequence <= after:
            return None
        last = min(after + PAGE, head.sequence)
        page = await read_trades_by_sequence(connection, after + 1, last, limit=PAGE)
        launched = await read_launches(connection, after + 1, last, limit=PAGE)
        withdrawn = await _withdrawn(connection, after + 1, last)
        return Batch(
            previous_sequence=after,
            first_sequence=after + 1,
            last_sequence=last,
            trades=tuple(page),
            launches=tuple(each.launch_sequence for each in launched if each.launch_sequence is not None),
            graduations=tuple(await read_graduations_by_sequence(connection, after + 1, last, limit=PAGE)),
            milestones=tuple(await read_milestones(connection, after + 1, last, limit=PAGE)),
            tokens=await _touched(connection, after + 1, last, page, withdrawn),
            rolled_back=withdrawn,
            rates=await _rates(connection, head.point.time),
            head=head,
        )


async def read_newest_rates(engine: AsyncEngine, head_time: int) -> tuple[Rate, ...]:
    """The newest rate of each quote mint that had one in the hour before the head."""
    async with engine.connect() as connection:
        return await _rates(connection, head_time)


async def read_token_state(engine: AsyncEngine, mint: str) -> tuple[int, TokenRecord | None]:
    """A token (None: not indexed) and the sequence that the feed had then: both of one moment."""
    sequence, found = await read_token_states(engine, [mint])
    return sequence, found.get(mint)


async def read_token_states(engine: AsyncEngine, mints: Sequence[str]) -> tuple[int, dict[str, TokenRecord]]:
    """Tokens by mint and the sequence that the feed had then: all of one moment. What is not indexed is left out."""
    async with one_moment(engine) as (connection, head):
        return head.sequence if head else 0, await read_tokens(connection, mints)


async def read_withdrawn(engine: AsyncEngine, after: int, last: int) -> tuple[Withdrawn, ...]:
    """What left the chain with a sequence in (after, last], in that order."""
    async with engine.connect() as connection:
        return await _withdrawn(connection, after + 1, last)


async def read_certain_sequence(engine: AsyncEngine, least: Commitment) -> int:
    """Newest sequence up to which every stored record is at least that certain.

    A launch is as certain as the newest event of its token. Records of unknown slot are passed over.
    """
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        row = (await connection.execute(select(feed).where(feed.c.id == 1))).one_or_none()
        if row is None:
            return 0
        first: int | None = await connection.scalar(_first_unsure(least, row.finalized_slot or 0, row.finalized_time))
        return int(row.last_sequence) if first is None else first - 1


def _first_unsure(least: Commitment, finalized_slot: int, since: datetime | None) -> Select[Any]:
    """Chain time never runs back, so that only what is newer than the last final block is looked at. `+ 0` keeps the
    planner from walking the feed from its start in search of the first one."""
    beyond = pack_position(finalized_slot + 1, 0, 0)
    firsts = [
        select(func.min(sequence + 0)).where(
            certain < least, position >= beyond, *([] if since is None else [time >= since])
        )
        for sequence, certain, position, time in (
            (trades.c.sequence, trades.c.commitment, trades.c.position, trades.c.block_time),
            (graduations.c.sequence, graduations.c.commitment, graduations.c.position, graduations.c.block_time),
            (tokens.c.launch_sequence, tokens.c.as_of_commitment, tokens.c.created_position, tokens.c.created_at),
            (milestones.c.sequence, milestones.c.commitment, milestones.c.position, milestones.c.block_time),
        )
    ]
    return select(func.least(*(first.scalar_subquery() for first in firsts)))


async def read_first_point(engine: AsyncEngine) -> ChainPoint | None:
    """The oldest trade that a stream can start from; None where nothing has traded.

    By chain order, which needs the oldest day only; by sequence, TimescaleDB would read every compressed day.
    """
    oldest = (trades.c.block_time, trades.c.position, trades.c.identity)
    query = select(trades.c.position, trades.c.block_time, trades.c.commitment, SETTLED_SLOT).order_by(*oldest).limit(1)
    async with engine.connect() as connection:
        row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    slot = unpack_position(row.position)[0]
    return ChainPoint(slot, to_seconds(row.block_time), certainty(row.commitment, slot, row.settled_slot))


async def _head(connection: AsyncConnection) -> Head | None:
    row = (await connection.execute(select(feed).where(feed.c.id == 1))).one_or_none()
    return None if row is None else _head_record(row)


def _head_record(row: AnyRow) -> Head:
    time = 0 if row.head_time is None else to_seconds(row.head_time)
    finalized = None
    if row.finalized_slot is not None and row.finalized_time is not None:
        finalized = ChainPoint(row.finalized_slot, to_seconds(row.finalized_time), Commitment.FINALIZED)
    return Head(
        point=ChainPoint(row.head_slot, time, certainty(row.head_commitment, row.head_slot, row.finalized_slot)),
        finalized=finalized,
        sequence=row.last_sequence,
        source=row.source,
        is_simulated=row.is_simulated,
        tip_slot=row.tip_slot,
        complete_slot=row.complete_slot,
    )


async def _touched(
    connection: AsyncConnection, first: int, last: int, page: Sequence[TradeRecord], withdrawn: Sequence[Withdrawn]
) -> tuple[TokenRecord, ...]:
    conditions: list[ColumnElement[bool]] = [
        tokens.c.launch_sequence.between(first, last),
        tokens.c.completed_sequence.between(first, last),
        tokens.c.mint.in_({trade.mint for trade in page} | {each.mint for each in withdrawn}),
        tokens.c.id.in_(select(graduations.c.token_id).where(graduations.c.sequence.between(first, last))),
    ]
    found = await connection.execute(select(tokens.c.id).where(or_(*conditions)))
    return tuple((await read_tokens_by_id(connection, [row.id for row in found])).values())


async def _withdrawn(connection: AsyncConnection, first: int, last: int) -> tuple[Withdrawn, ...]:
    query = select(retractions).where(retractions.c.sequence.between(first, last)).order_by(retractions.c.sequence)
    return tuple(
        Withdrawn(RecordKind(kind), sequence, mint, time, identity, row.slot)
        for row in await connection.execute(query)
        for kind, sequence, mint, time, identity in zip(
            row.kinds, row.sequences, row.mints, row.block_times, row.identities, strict=True
        )
    )


async def _rates(connection: AsyncConnection, head_time: int) -> tuple[Rate, ...]:
    newest = rates.c.time >= to_time(head_time - _RATES_SECONDS)
    query = select(rates).ext(distinct_on(rates.c.quote_mint)).where(newest)
    rows = await connection.execute(query.order_by(rates.c.quote_mint, rates.c.time.desc()))
    return tuple(Rate(row.quote_mint, to_seconds(row.time), str(row.usd)) for row in rows)
