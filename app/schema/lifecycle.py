"""What happens to tokens, in one order: launches, steps on the curve, completions, graduations, live and stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, and_

from app.domain.records import GraduationRecord, Milestone, RecordKind, TokenRecord, Withdrawn
from app.errors import InvalidInput
from app.live.keys import Lifecycle, lifecycle_key
from app.live.moment import Moment
from app.live.routing import Condition
from app.schema.conditions import Judge, token_judge
from app.schema.context import Context
from app.schema.enums import LaunchpadEventType
from app.schema.filters import token_clause
from app.schema.inputs import StreamStart, TokenFilter
from app.schema.loaders import known_rates
from app.schema.sources import MAX_LAST, after_cursor
from app.schema.traded import Traded
from app.store.measures import trade_passed_percent
from app.store.starts import (
    GRADUATIONS,
    MILESTONES,
    PAGE,
    TRADES,
    Kind,
    Start,
    read_after,
    read_newest,
    read_start_at,
    read_start_in,
)
from app.store.tables import milestones
from app.store.tokens import read_tokens

_EVERY: Final = frozenset(LaunchpadEventType)
KINDS: Final = {
    LaunchpadEventType.CREATED: RecordKind.LAUNCH,
    LaunchpadEventType.COMPLETED: RecordKind.COMPLETION,
    LaunchpadEventType.GRADUATED: RecordKind.GRADUATION,
    LaunchpadEventType.CURVE_PROGRESS: RecordKind.TRADE,
}


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of stored record, with what of it is meant."""

    kind: Kind[Any]
    clause: ColumnElement[bool] | None


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which records a stream wants."""

    types: frozenset[LaunchpadEventType]
    filter: TokenFilter | None

    @classmethod
    def of(cls, types: Sequence[LaunchpadEventType] | None, chosen: TokenFilter | None) -> "Chosen":
        return cls(_EVERY if types is None else frozenset(types), chosen)

    def condition(self, context: Context) -> Condition[Lifecycle]:
        """Raises InvalidInput."""
        judge = self._judge(context)

        def holds(each: Lifecycle, moment: Moment) -> bool:
            if each.kind is RecordKind.TRADE and not Traded(each.record, moment).passed_percent:  # type: ignore[arg-type]
                return False
            return judge is None or (each.token is not None and judge(each.token, moment))

        keys = frozenset(lifecycle_key(KINDS[each]) for each in self.types if each in KINDS)
        return Condition(keys, holds=holds)

    def tells_withdrawn(self, gone: Withdrawn) -> bool:
        """Whether a record of this kind was meant, and is to be told when it has left; a trade is not."""
        kinds = {KINDS[each] for each in self.types if each in KINDS} or set(KINDS.values())
        is_step = gone.kind in (RecordKind.LAUNCH, RecordKind.COMPLETION, RecordKind.GRADUATION)
        return LaunchpadEventType.ROLLED_BACK in self.types and is_step and gone.kind in kinds

    def selects(self, context: Context, token: TokenRecord, moment: Moment) -> bool:
        """Whether the filter selects a token."""
        judge = self._judge(context)
        return judge is None or judge(token, moment)

    def _judge(self, context: Context) -> Judge[TokenRecord] | None:
        return token_judge(self.filter, lambda moment: known_rates(moment, context.settings))

    async def parts(self, context: Context) -> list[Part]:
        """The same of what is stored; tokens are judged as they are now."""
        clause = None
        if self.filter:
            clause = token_clause(self.filter, await context.loaders.head_time(), await context.loaders.rates())
        parts = []
        kinds = [int(KINDS[each]) for each in self.types & {LaunchpadEventType.CREATED, LaunchpadEventType.COMPLETED}]
        if kinds:
            parts.append(Part(MILESTONES, _both(milestones.c.kind.in_(kinds), clause)))
        if LaunchpadEventType.GRADUATED in self.types:
            parts.append(Part(GRADUATIONS, clause))
        if LaunchpadEventType.CURVE_PROGRESS in self.types:
            parts.append(Part(TRADES, _both(trade_passed_percent(), clause)))
        return parts


async def read_lifecycle(context: Context, parts: Sequence[Part], after: int, last: int) -> list[Lifecycle]:
    """The first `PAGE` with a sequence in (after, last], in feed order, with their tokens as they are now."""
    found: list[Any] = []
    for part in parts:
        found += await read_after(context.engine, part.kind, after, last, part.clause)
    page = sorted(found, key=lambda record: record.sequence)[:PAGE]
    tokens: dict[str, TokenRecord] = await context.loaders.read(read_tokens, sorted({record.mint for record in page}))
    return [Lifecycle(_kind(record), record, tokens.get(record.mint)) for record in page]


async def begin(context: Context, parts: list[Part], start: StreamStart | None) -> tuple[int | None, list[Part]]:
    """The sequence after which stored records come, and which; None: from now on.

    Raises InvalidInput, CursorInvalid, CursorExpired.
    """
    if start is None:
        return None, parts
    if isinstance(start.cursor, str):
        return await after_cursor(context, start.cursor), parts
    if isinstance(start.last, int):
        return await _newest(context, parts, start.last), parts
    starts: list[Start] = [await _start(context, part.kind, start) for part in parts]
    begun = [Part(part.kind, _both(one.clause, part.clause)) for part, one in zip(parts, starts, strict=True)]
    return min((one.after for one in starts), default=None), begun


async def _start(context: Context, kind: Kind[Any], start: StreamStart) -> Start:
    if isinstance(start.slot, int):
        return await read_start_in(context.engine, kind, start.slot)
    assert isinstance(start.time, datetime)  # exactly one member is given
    return await read_start_at(context.engine, kind, start.time)


async def _newest(context: Context, parts: Sequence[Part], count: int) -> int:
    if not 0 <= count <= MAX_LAST:
        raise InvalidInput(f"`start.last` must be 0 to {MAX_LAST:,}; start from a time or slot to get more.")
    last = context.hub.sequence
    if not count:
        return int(last)
    newest = [each for part in parts for each in await read_newest(context.engine, part.kind, count, last, part.clause)]
    newest.sort(reverse=True)
    return newest[count - 1] - 1 if len(newest) >= count else 0


def _both(one: ColumnElement[bool] | None, other: ColumnElement[bool] | None) -> ColumnElement[bool] | None:
    present = [each for each in (one, other) if each is not None]
    return and_(*present) if present else None


def _kind(record: Any) -> RecordKind:
    if isinstance(record, Milestone):
        return record.kind
    return RecordKind.GRADUATION if isinstance(record, GraduationRecord) else RecordKind.TRADE
