"""Stored records for streams that start in the past: pages in feed order, and the sequence at which a start begins.

However many records a filter passes over, no statement looks at more than `_WIDEST` sequences.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import ColumnElement, CompoundSelect, Select, func, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain.events import pack_position
from app.domain.records import GraduationRecord, Milestone, TokenRecord, TradeRecord
from app.store.graduations import read_graduations_by_sequence, select_graduations
from app.store.milestones import read_milestones, select_milestones
from app.store.rows import to_seconds, to_time
from app.store.tables import feed, graduations, milestones, retractions, tokens, trades
from app.store.tokens import read_launches
from app.store.trades import read_trades_by_sequence, select_trades

R = TypeVar("R")
Clause = ColumnElement[bool] | None
PAGE: Final = 500
"""Records of one page."""
_SPAN: Final = 10_000
_WIDEST: Final = 500_000
"""Sequences that one statement looks at; some 0.3 s where each has to be judged."""
_MARGIN_SECONDS: Final = 2
"""Slots of one second: which of them a trade in that second tells is chance."""


@dataclass(frozen=True, slots=True)
class Start:
    """Records with a sequence above `after` that fulfil `clause`, which is to be joined with the filter's."""

    after: int
    clause: Clause = None


@dataclass(frozen=True, slots=True)
class Kind(Generic[R]):
    """A kind of record: where its feed order and chain order are, and how a range of the feed is read."""

    sequence: ColumnElement[Any]
    time: ColumnElement[Any]
    position: ColumnElement[Any]
    selected: Callable[[], Select[Any]]
    """Everything that a filter of this kind may speak of."""
    read: Callable[[AsyncConnection, int, int, Clause, int], Awaitable[list[R]]]
    """Records of the feed from one sequence to another, both inclusive, in feed order, at most so many."""


TRADES: Final[Kind[TradeRecord]] = Kind(
    trades.c.sequence, trades.c.block_time, trades.c.position, select_trades, read_trades_by_sequence
)
LAUNCHES: Final[Kind[TokenRecord]] = Kind(
    tokens.c.launch_sequence, tokens.c.created_at, tokens.c.created_position, lambda: select(tokens), read_launches
)
GRADUATIONS: Final[Kind[GraduationRecord]] = Kind(
    graduations.c.sequence,
    graduations.c.block_time,
    graduations.c.position,
    select_graduations,
    read_graduations_by_sequence,
)

MILESTONES: Final[Kind[Milestone]] = Kind(
    milestones.c.sequence, milestones.c.block_time, milestones.c.position, select_milestones, read_milestones
)


async def read_after(
    engine: AsyncEngine, kind: Kind[R], after: int, last: int, clause: Clause = None, limit: int = PAGE
) -> list[R]:
    """The first `limit` stored records of a kind that `clause` selects with a sequence in (after, last], in feed order;
    fewer only where there are no more."""
    found: list[R] = []
    span = _SPAN
    async with engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        while after < last and len(found) < limit:
            until = min(after + span, last)
            found += await kind.read(autocommit, after + 1, until, clause, limit - len(found))
            after, span = until, min(4 * span, _WIDEST)
    return found


async def read_last(engine: AsyncEngine, kind: Kind[Any], count: int, last: int, clause: Clause = None) -> int:
    """The sequence after which the newest `count` records up to `last` come that `clause` selects; 0 where there are
    no more than that."""
    if not count:
        return last
    newest = await read_newest(engine, kind, count, last, clause)
    return newest[-1] - 1 if len(newest) == count else 0


async def read_newest(engine: AsyncEngine, kind: Kind[Any], count: int, last: int, clause: Clause = None) -> list[int]:
    """Sequences of the newest `count` records up to `last` that `clause` selects, newest first."""
    found: list[int] = []
    span = _SPAN
    async with engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        while last > 0 and len(found) < count:
            first = max(last - span + 1, 1)
            query = kind.selected().with_only_columns(kind.sequence).where(kind.sequence.between(first, last))
            query = query if clause is None else query.where(clause)
            found += (await autocommit.scalars(query.order_by(kind.sequence.desc()).limit(count - len(found)))).all()
            last, span = first - 1, min(4 * span, _WIDEST)
    return found


async def read_start_at(engine: AsyncEngine, kind: Kind[Any], time: datetime) -> Start:
    """Records from a moment of the chain on, late ones too, wherever in the feed they are."""
    async with engine.connect() as connection:
        return Start(await _before(connection, kind, time), kind.time >= time)


async def read_start_in(engine: AsyncEngine, kind: Kind[Any], slot: int) -> Start:
    """Records from a slot on, inclusive; those of unknown slot are not among them."""
    first = pack_position(slot, 0, 0)
    async with engine.connect() as connection:
        time = await _time_of(connection, kind, first)
        return Start(await _before(connection, kind, time), kind.position >= first)


async def _before(connection: AsyncConnection, kind: Kind[Any], time: datetime) -> int:
    """The sequence before the first record from `time` on; the newest where there is none.

    Of the first day each record is looked at; of later days, which are kept apart, the index tells the lowest.
    """
    midnight = time.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    of_day = select(func.min(kind.sequence + 0)).where(kind.time >= time, kind.time < midnight)
    later = select(func.min(kind.sequence)).where(kind.time >= midnight)
    newest = select(feed.c.last_sequence + 1).where(feed.c.id == 1)
    first = await connection.scalar(
        select(func.least(of_day.scalar_subquery(), later.scalar_subquery(), newest.scalar_subquery()))
    )
    return int(first or 1) - 1


async def _time_of(connection: AsyncConnection, kind: Kind[Any], position: int) -> datetime:
    """A moment that no record at or after `position` comes before: times grow with slots, so it is searched for by
    halves, a probe of the index each."""
    known = kind.position >= pack_position(1, 0, 0)
    ends = [
        await connection.scalar(select(kind.time).where(known).order_by(order).limit(1))
        for order in (kind.time.asc(), kind.time.desc())
    ]
    low, high = (0 if end is None else to_seconds(end) for end in ends)
    while low < high:
        middle = (low + high + 1) // 2
        probe = select(kind.position).where(known, kind.time >= to_time(middle)).order_by(kind.time).limit(1)
        found = await connection.scalar(probe)
        if found is not None and found < position:
            low = middle
        else:
            high = middle - 1
    return to_time(max(low - _MARGIN_SECONDS, 0))


async def read_oldest(engine: AsyncEngine) -> int:
    """The oldest sequence after which everything that was ever stored is still there; 0 where nothing was dropped.

    Retention drops the oldest days of trades and leaves no note. But the feed is dense: of the sequences below those of
    the oldest day that is kept, the newest that is neither stored nor known to have left the chain was dropped.
    """
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        last = await _before_oldest_day(connection)
        while last > 0:
            first = max(last - _SPAN + 1, 1)
            known = set((await connection.scalars(_accounted(first, last))).all())
            missing = next((each for each in range(last, first - 1, -1) if each not in known), None)
            if missing is not None:
                return missing
            last = first - 1
    return 0


async def _before_oldest_day(connection: AsyncConnection) -> int:
    """The sequence before the first of the oldest day of trades: only that day is looked at, because TimescaleDB would
    else read every compressed one. The newest sequence where there are no trades."""
    oldest = await connection.scalar(select(trades.c.block_time).order_by(trades.c.block_time).limit(1))
    if oldest is None:
        return await connection.scalar(select(feed.c.last_sequence).where(feed.c.id == 1)) or 0
    day = oldest.replace(hour=0, minute=0, second=0, microsecond=0)
    of_day = select(func.min(trades.c.sequence)).where(
        trades.c.block_time >= day, trades.c.block_time < day + timedelta(days=1)
    )
    return int(await connection.scalar(of_day) or 1) - 1


def _accounted(first: int, last: int) -> CompoundSelect[Any]:
    """Every sequence of a range that is stored, or told to have left."""
    stored = [
        select(column).where(column.between(first, last))
        for column in (
            trades.c.sequence,
            tokens.c.launch_sequence,
            tokens.c.completed_sequence,
            graduations.c.sequence,
            retractions.c.sequence,
        )
    ]
    left = select(func.unnest(retractions.c.sequences)).where(retractions.c.sequence >= first)
    return union_all(*stored, left)
