"""How each kind of record is fed to a subscription: its condition, its stored pages and its place in the feed."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial
from typing import Final, Generic, TypeVar

from sqlalchemy import ColumnElement, and_

from app.domain.programs import Commitment
from app.domain.records import GraduationRecord, TokenRecord, TradeRecord
from app.errors import CursorExpired, CursorInvalid, InvalidInput
from app.live.feeds import Feed
from app.live.routing import Condition, Router
from app.schema.conditions import graduation_condition, launch_condition, trade_condition
from app.schema.context import Context
from app.schema.filters import token_clause, trade_clause
from app.schema.inputs import StreamStart, TokenFilter, TradeFilter
from app.schema.loaders import fresh_rates, known_rates
from app.schema.packing import OneByOne
from app.schema.plans import Options, Packing, Plan
from app.store.feed import read_head
from app.store.starts import (
    GRADUATIONS,
    LAUNCHES,
    PAGE,
    TRADES,
    Kind,
    Start,
    read_after,
    read_last,
    read_start_at,
    read_start_in,
)

R = TypeVar("R")
Clause = ColumnElement[bool] | None
MAX_LAST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Source(Generic[R]):
    """One kind of record, live and stored."""

    kind: Kind[R]
    router: Callable[[Feed], Router[R]]
    condition: Condition[R]
    clause: Callable[[], Clause]
    """The same condition in SQL; made only where something stored is asked for."""
    sequence_of: Callable[[R], int]
    cursor_of: Callable[[R], str]
    key_of: Callable[[R], Hashable]


def trades_of(context: Context, chosen: TradeFilter | None) -> Source[TradeRecord]:
    """Trades that a filter selects. Raises InvalidInput."""
    return Source(
        kind=TRADES,
        router=lambda feed: feed.trades,
        condition=trade_condition(chosen),
        clause=cache(lambda: trade_clause(chosen, _head_time(context))),
        sequence_of=lambda trade: trade.sequence,
        cursor_of=partial(record_cursor, context),
        key_of=lambda trade: (trade.mint, trade.side),
    )


def launches_of(context: Context, chosen: TokenFilter | None) -> Source[TokenRecord]:
    """Launched tokens that a filter selects; stored ones as they are now. Raises InvalidInput."""
    return Source(
        kind=LAUNCHES,
        router=lambda feed: feed.launches,
        condition=launch_condition(chosen, lambda moment: known_rates(moment, context.settings)),
        clause=cache(lambda: _token_clause(context, chosen)),
        sequence_of=lambda token: token.launch_sequence or 0,
        cursor_of=partial(launch_cursor, context),
        key_of=lambda token: token.mint,
    )


def graduations_of(context: Context, chosen: TokenFilter | None) -> Source[GraduationRecord]:
    """Graduations of tokens that a filter selects. Raises InvalidInput."""
    return Source(
        kind=GRADUATIONS,
        router=lambda feed: feed.graduations,
        condition=graduation_condition(chosen, lambda moment: known_rates(moment, context.settings)),
        clause=cache(lambda: _token_clause(context, chosen)),
        sequence_of=lambda graduation: graduation.sequence,
        cursor_of=partial(record_cursor, context),
        key_of=lambda graduation: graduation.mint,
    )


def one_by_one(context: Context, source: Source[R], commitment: Commitment | None, after: int | None) -> Plan[R]:
    """Each record a payload of its own, at once."""
    packing: OneByOne[R] = OneByOne(source.sequence_of, source.cursor_of)
    return plan_of(context, source, commitment, packing, Options(), after, source.clause)


async def streamed(
    context: Context,
    source: Source[R],
    commitment: Commitment | None,
    packing: Packing[R],
    options: Options,
    start: StreamStart | None,
) -> Plan[R]:
    """Records packed as `options` say, from where `start` says. Raises InvalidInput, CursorInvalid, CursorExpired."""
    after, clause = await _begin(context, source, start)
    return plan_of(context, source, commitment, packing, options, after, clause)


def plan_of(
    context: Context,
    source: Source[R],
    commitment: Commitment | None,
    packing: Packing[R],
    options: Options,
    after: int | None,
    clause: Callable[[], Clause],
) -> Plan[R]:
    return Plan(
        commitment=commitment or Commitment.CONFIRMED,
        router=source.router,
        condition=source.condition,
        packing=packing,
        sequence_of=source.sequence_of,
        cursor_at=partial(cursor_at, context),
        key_of=source.key_of,
        after=after,
        read=lambda first, last: read_after(context.engine, source.kind, first, last, clause()),
        page=PAGE,
        options=options,
    )


async def after_cursor(context: Context, cursor: str | None) -> int | None:
    """The sequence that a cursor stands for, or the one that the client resumes after by itself; None without one.

    Raises CursorExpired where retention dropped what comes after it. Raises CursorInvalid, also for a place that this
    store has not come to: it was restored from an older backup, and going on from there would pass over all that is
    stored from now on until then.
    """
    cursor = context.resume_after or cursor
    if not cursor:
        return None
    sequence = context.cursors.decode(cursor).sequence
    if sequence > context.hub.sequence:
        # Another process may be ahead of this one, but never of the store.
        head = await read_head(context.engine)
        if head is None or sequence > head.sequence:
            raise CursorInvalid(
                "This cursor is past the end of what this server holds: its store was restored from an older state. "
                "Leave the cursor out to start afresh."
            )
    elif sequence < (oldest := await context.hub.oldest()):
        raise CursorExpired(
            "What comes after this cursor is not kept any more. Resume after `extensions.cursor`, the oldest that is "
            "left, and read what is older from the lists.",
            cursor_at(context, oldest),
        )
    return sequence


async def _begin(
    context: Context, source: Source[R], start: StreamStart | None
) -> tuple[int | None, Callable[[], Clause]]:
    """The sequence after which stored records come, and which of them; None: from now on."""
    engine, kind = context.engine, source.kind
    if start is None:
        return await after_cursor(context, None), source.clause
    if isinstance(start.cursor, str):
        return await after_cursor(context, start.cursor), source.clause
    if isinstance(start.last, int):
        if not 0 <= start.last <= MAX_LAST:
            raise InvalidInput(f"`start.last` must be 0 to {MAX_LAST:,}; start from a time or slot to get more.")
        if context.resume_after:
            return await after_cursor(context, None), source.clause
        return await read_last(engine, kind, start.last, context.hub.sequence, source.clause()), source.clause
    begun = await _begun(context, kind, start)
    resumed = await after_cursor(context, None)
    clauses = [each for each in (source.clause(), begun.clause) if each is not None]
    return begun.after if resumed is None else resumed, lambda: and_(*clauses) if clauses else None


async def _begun(context: Context, kind: Kind[R], start: StreamStart) -> Start:
    if isinstance(start.slot, int):
        return await read_start_in(context.engine, kind, start.slot)
    assert isinstance(start.time, datetime)  # exactly one member is given
    return await read_start_at(context.engine, kind, start.time)


def _token_clause(context: Context, chosen: TokenFilter | None) -> Clause:
    if not chosen:
        return None
    rates = fresh_rates(context.hub.rates.values(), _head_time(context), context.settings)
    return token_clause(chosen, _head_time(context), rates)


def _head_time(context: Context) -> int:
    head = context.hub.head
    return head.point.time if head is not None else 0


def record_cursor(context: Context, record: TradeRecord | GraduationRecord) -> str:
    return context.cursors.encode(record.sequence, record.block_time, record.position, record.identity)


def launch_cursor(context: Context, token: TokenRecord) -> str:
    return context.cursors.encode(token.launch_sequence or 0, token.created_at, 0, b"")


def cursor_at(context: Context, sequence: int) -> str:
    """Resume point after everything up to a sequence."""
    return context.cursors.encode(sequence, 0, 0, b"")
