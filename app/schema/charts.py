"""Charts: which candles a client asked for."""

from dataclasses import replace

import msgspec

from app.domain.candles import DAY, Interval
from app.domain.programs import TradeProgram
from app.errors import InvalidInput
from app.schema.chart_views import MAX_CANDLES, views_of
from app.schema.context import Context
from app.schema.enums import CandleFill, ChartUnit
from app.schema.keys import ChartKey
from app.schema.views import CandleView
from app.store.candles import ChartRange


class ChartArguments(msgspec.Struct, frozen=True, kw_only=True):
    """What a client asked for; unset arguments are None."""

    interval: Interval
    start: int | None
    end: int | None
    countback: int | None
    fill: CandleFill
    unit: ChartUnit
    program: TradeProgram | None

    @classmethod
    def of(
        cls,
        interval: Interval,
        start: int | None,
        end: int | None,
        countback: int | None,
        fill: CandleFill | None,
        unit: ChartUnit | None,
        program: TradeProgram | None,
    ) -> "ChartArguments":
        """From the arguments as Strawberry gives them: what was left out is UNSET, what was nulled is None."""
        return cls(
            interval=interval,
            start=_given(start),
            end=_given(end),
            countback=_given(countback),
            fill=fill or CandleFill.NONE,
            unit=unit or ChartUnit.USD,
            program=program or None,
        )


def _given(value: int | None) -> int | None:
    return value if isinstance(value, int) else None


async def chart_of(context: Context, mint: str, asked: ChartArguments) -> list[CandleView]:
    """The candles of a mint, oldest first; none where it is not indexed.

    A candle belongs to [from, to) by its first second. Windows and defaults end at the head. Without a USD rate for any
    of its trades a candle has no USD price, and is left out of charts in USD.
    """
    head = await context.loaders.head_time()
    chosen = range_of(asked, head)
    chart = await context.loaders.chart.load(ChartKey(mint, chosen))
    return [] if chart is None else views_of(chart, chosen, asked.unit, asked.fill, head)


def range_of(asked: ChartArguments, head: int) -> ChartRange:
    """The range to read. Raises InvalidInput where it is empty, or larger than a chart may be."""
    width, countback = asked.interval.seconds, asked.countback or 0
    end = head + 1 if asked.end is None else asked.end
    start = _start(asked, end)
    if not 0 <= countback <= MAX_CANDLES:
        raise InvalidInput(f"`countback` must be 0 to {MAX_CANDLES}.")
    if asked.start is not None and start >= end:
        raise InvalidInput("`from` must be before `to`; both are Unix seconds.")
    if (end - start) // width > MAX_CANDLES:
        raise InvalidInput(
            f"There are more than {MAX_CANDLES} candles from `from` to `to`: take a shorter range or a wider interval."
        )
    chosen = ChartRange(
        interval=asked.interval,
        start=start,
        end=end,
        countback=countback,
        program=asked.program,
        need_usd=asked.unit is not ChartUnit.QUOTE,
    )
    return _for_filling(chosen) if asked.fill is CandleFill.PREVIOUS_CLOSE else chosen


def _start(asked: ChartArguments, end: int) -> int:
    if asked.start is not None:
        return asked.start
    if asked.countback:
        return end
    return asked.interval.bucket(end - 1 - DAY)


def _for_filling(chosen: ChartRange) -> ChartRange:
    """Filled slots count as candles, so `countback` is a start; the candle before it fills the first slots."""
    last = chosen.interval.bucket(chosen.end - 1)
    counted = last - (chosen.countback - 1) * chosen.interval.seconds if chosen.countback else chosen.start
    return replace(chosen, start=min(chosen.start, counted), countback=0, with_previous=True)
