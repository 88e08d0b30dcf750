"""How each kind of record is fed to a subscription: its condition, its stored pages and its place in the feed."""

from dataclasses import dataclass
from functools import partial

from sqlalchemy import ColumnElement

from app.domain.programs import Commitment
from app.domain.records import GraduationRecord, TokenRecord, TradeRecord
from app.errors import CursorInvalid
from app.live.routing import Condition
from app.schema.context import Context
from app.schema.packing import OneByOne
from app.schema.plans import Plan
from app.store.feed import PAGE, read_head, read_launched_tokens, read_mint_trades, read_stored_graduations

Clause = ColumnElement[bool] | None


@dataclass(frozen=True, slots=True)
class Start:
    """Where a subscription begins."""

    after: int | None = None
    """Stored records with a larger sequence come first; None: from now on."""


def trade_sequence(trade: TradeRecord) -> int:
    return trade.sequence


def launch_sequence(token: TokenRecord) -> int:
    """Feed position of a launched token."""
    return token.launch_sequence or 0


def graduation_sequence(graduation: GraduationRecord) -> int:
    return graduation.sequence


def trade_plan(context: Context, mint: str, commitment: Commitment, after: int | None) -> Plan[TradeRecord]:
    """Trades of one mint, one by one."""
    return Plan(
        commitment=commitment,
        router=lambda feed: feed.trades,
        condition=Condition(keys=frozenset((("mint", mint),))),
        packing=OneByOne(trade_sequence, partial(record_cursor, context)),
        sequence_of=trade_sequence,
        cursor_at=partial(cursor_at, context),
        key_of=lambda trade: trade.mint,
        after=after,
        read=lambda first, last: read_mint_trades(context.engine, mint, first, last),
        page=PAGE,
    )


def launch_plan(context: Context, commitment: Commitment, after: int | None) -> Plan[TokenRecord]:
    """Launched tokens, one by one; stored ones come with their newest state."""
    return Plan(
        commitment=commitment,
        router=lambda feed: feed.launches,
        condition=Condition(),
        packing=OneByOne(launch_sequence, partial(launch_cursor, context)),
        sequence_of=launch_sequence,
        cursor_at=partial(cursor_at, context),
        key_of=lambda token: token.mint,
        after=after,
        read=partial(read_launched_tokens, context.engine),
        page=PAGE,
    )


def graduation_plan(context: Context, commitment: Commitment, after: int | None) -> Plan[GraduationRecord]:
    """Graduations, one by one."""
    return Plan(
        commitment=commitment,
        router=lambda feed: feed.graduations,
        condition=Condition(),
        packing=OneByOne(graduation_sequence, partial(record_cursor, context)),
        sequence_of=graduation_sequence,
        cursor_at=partial(cursor_at, context),
        key_of=lambda graduation: graduation.mint,
        after=after,
        read=partial(read_stored_graduations, context.engine),
        page=PAGE,
    )


def record_cursor(context: Context, record: TradeRecord | GraduationRecord) -> str:
    return context.cursors.encode(record.sequence, record.block_time, record.position, record.identity)


def launch_cursor(context: Context, token: TokenRecord) -> str:
    return context.cursors.encode(launch_sequence(token), token.created_at, 0, b"")


def cursor_at(context: Context, sequence: int) -> str:
    """Resume point after everything up to a sequence."""
    return context.cursors.encode(sequence, 0, 0, b"")


async def after_cursor(context: Context, cursor: str | None) -> int | None:
    """The sequence that a cursor stands for; None without one.

    Raises CursorInvalid, also for a place that this store has not come to: it was restored from an older backup, and
    going on from there would pass over all that is stored from now on until then.
    """
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
    return sequence
