"""`candleStream`: the history of a chart, then its candles as they change."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias

import strawberry
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.programs import Commitment
from app.domain.records import Withdrawn
from app.errors import InvalidInput
from app.live.routing import Condition
from app.schema.candles import CandleType
from app.schema.chart_views import MAX_CANDLES, views_of
from app.schema.charts import ChartArguments, range_of
from app.schema.context import Context
from app.schema.inputs import StreamDelivery, StreamStart
from app.schema.live_charts import CandleChange, changes
from app.schema.packing import Packed, PayloadView, head_of
from app.schema.plans import Circumstances, Plan
from app.schema.sources import after_cursor, cursor_at
from app.schema.streams import PayloadFields, is_conflated, options_of
from app.schema.touched_candles import ChartSpec, Touched, read_touched
from app.schema.views import CandleView
from app.store.candles import read_charts
from app.store.feed import one_moment
from app.store.rows import to_seconds
from app.store.touched import read_time_of_slot, read_traded_times, read_withdrawn_times

_DEFAULT_COUNTBACK = 300
History: TypeAlias = Callable[[AsyncConnection, int], Awaitable[list[CandleView]]]
"""What comes first, oldest first, at a head: newest indexed block time."""


class CandlesView(PayloadView, frozen=True, kw_only=True):
    """Candles of one chart."""

    mint_address: str
    candles: Sequence[CandleView]


@strawberry.type(description="Candles that changed.")
class CandleStreamPayload(PayloadFields):
    mint_address: str = strawberry.field(description="Mint address.")
    candles: list[CandleType] = strawberry.field(
        description="In the first payload the history asked for, then changed candles; a candle comes again with a "
        "larger `revision`."
    )


class PackedCandles(Packed[CandleChange]):
    """Payloads of `candleStream`."""

    def __init__(self, context: Context, mint: str, max_batch: int) -> None:
        super().__init__(
            lambda change: change.sequence, lambda change: cursor_at(context, change.resume_after), max_batch
        )
        self._mint = mint

    def view(
        self, records: Sequence[CandleChange], gone: Sequence[Withdrawn], cursor: str, told: Circumstances
    ) -> PayloadView:
        return CandlesView(
            cursor=cursor,
            phase=told.phase,
            gap=told.gap,
            head=head_of(told),
            mint_address=self._mint,
            candles=[record.view for record in records],
        )


async def candle_stream_plan(
    context: Context,
    spec: ChartSpec,
    countback: int | None,
    start: StreamStart | None,
    delivery: StreamDelivery | None,
) -> Plan[CandleChange]:
    """Raises InvalidInput, CursorInvalid, CursorExpired. Candles hold every stored trade, of whatever commitment."""
    options = options_of(delivery)
    is_conflated(delivery)  # what it asks for is so by nature; asked for without an interval it is refused
    after = await after_cursor(context, start.cursor if start and isinstance(start.cursor, str) else None)
    history = await _history(context, spec, _DEFAULT_COUNTBACK if countback is None else countback, start, after)

    async def opening() -> tuple[int, list[CandleChange]]:
        assert history is not None
        async with one_moment(context.engine) as (connection, head):
            if head is None:
                return 0, []
            return head.sequence, changes(await history(connection, head.point.time), after or 0, head.sequence)

    return Plan(
        commitment=Commitment.PROCESSED,
        router=lambda _feed: context.charts.watch(context.hub, spec),
        condition=Condition(),
        packing=PackedCandles(context, spec.mint, options.max_batch),
        sequence_of=lambda change: change.since + 1,
        cursor_at=lambda sequence: cursor_at(context, min(sequence, context.charts.settled)),
        key_of=lambda change: change.view.candle.time,
        merge=lambda older, newer: newer._replace(since=min(older.since, newer.since)),
        opening=opening if history is not None else None,
        options=options,
    )


async def _history(
    context: Context, spec: ChartSpec, countback: int, start: StreamStart | None, after: int | None
) -> History | None:
    """What comes before the live candles; None: nothing. `start` goes before `countback`."""
    if after is not None:
        return partial(_changed_since, spec, after)
    if start is not None and isinstance(start.last, int):
        return _newest(spec, start.last, "start.last")
    if start is not None and isinstance(start.slot, int):
        return partial(_from_slot, spec, start.slot)
    if start is not None and isinstance(start.time, datetime):
        time = to_seconds(start.time)
        head = await context.loaders.head_time()
        _range_from(spec, time, head)
        return partial(_from_time, spec, time)
    return _newest(spec, countback, "countback")


def _newest(spec: ChartSpec, count: int, name: str) -> History | None:
    if not 0 <= count <= MAX_CANDLES:
        raise InvalidInput(f"`{name}` must be 0 to {MAX_CANDLES:,} candles.")
    return (
        partial(_read, spec, ChartArguments(**_asked(spec), start=None, end=None, countback=count)) if count else None
    )


def _asked(spec: ChartSpec) -> dict[str, Any]:
    return {"interval": spec.interval, "fill": spec.fill, "unit": spec.unit, "program": spec.program}


async def _read(spec: ChartSpec, asked: ChartArguments, connection: AsyncConnection, head: int) -> list[CandleView]:
    """What the query of the same arguments answers."""
    chosen = range_of(asked, head)
    chart = (await read_charts(connection, [spec.mint], chosen)).get(spec.mint)
    return [] if chart is None else views_of(chart, chosen, spec.unit, spec.fill, head)


def _range_from(spec: ChartSpec, time: int, head: int) -> ChartArguments | None:
    """From the interval that holds `time`; None where that is not over the head. Raises InvalidInput: too long ago."""
    first = spec.interval.bucket(time)
    if first > head:
        return None
    asked = ChartArguments(**_asked(spec), start=first, end=None, countback=None)
    range_of(asked, head)
    return asked


async def _from_time(spec: ChartSpec, time: int, connection: AsyncConnection, head: int) -> list[CandleView]:
    asked = _range_from(spec, time, head)
    return [] if asked is None else await _read(spec, asked, connection, head)


async def _from_slot(spec: ChartSpec, slot: int, connection: AsyncConnection, head: int) -> list[CandleView]:
    time = await read_time_of_slot(connection, spec.mint, slot)
    return [] if time is None else await _from_time(spec, time, connection, head)


async def _changed_since(spec: ChartSpec, after: int, connection: AsyncConnection, head: int) -> list[CandleView]:
    """Candles of which a trade came or left since, and the newest other one: its interval may have ended since."""
    bucket = spec.interval.bucket
    buckets = {bucket(time): False for time in await read_traded_times(connection, spec.mint, after)}
    buckets |= {bucket(time): True for time in await read_withdrawn_times(connection, spec.mint, after)}
    newest = spec.between(head + 1, head + 1, min(len(buckets) + 1, MAX_CANDLES))
    chart = (await read_charts(connection, [spec.mint], newest)).get(spec.mint)
    others = [] if chart is None else [each.time for each in chart.candles if each.time not in buckets]
    buckets |= dict.fromkeys(others[-1:], False)
    (views,) = await read_touched(connection, [Touched(spec, buckets)], head)
    return views
