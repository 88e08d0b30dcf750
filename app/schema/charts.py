"""Charts: which candles a client asked for, valued and filled."""

from dataclasses import replace
from decimal import Decimal

import msgspec

from app.domain.candles import DAY, Candle, Interval
from app.domain.money import ZERO, whole
from app.domain.programs import Protocol, TradeProgram
from app.domain.valuation import PUMP_SUPPLY
from app.errors import InvalidInput
from app.schema.context import Context
from app.schema.enums import CandleFill, ChartUnit
from app.schema.keys import ChartKey
from app.schema.views import CandleView
from app.store.candles import Chart, ChartRange

MAX_CANDLES = 5_000


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
    chosen = _range(asked, head)
    chart = await context.loaders.chart.load(ChartKey(mint, chosen))
    if chart is None:
        return []
    supply = _supply(chart)
    if asked.unit is ChartUnit.MARKET_CAP_USD and supply is None:
        return []
    candles = [_view(candle, chart, asked.unit, supply, head) for candle in chart.candles]
    return _filled(candles, chosen, head) if asked.fill is CandleFill.PREVIOUS_CLOSE else candles


def _range(asked: ChartArguments, head: int) -> ChartRange:
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


def _supply(chart: Chart) -> Decimal | None:
    supply = chart.total_supply
    if supply is None and chart.protocol == Protocol.PUMP_FUN:
        supply = PUMP_SUPPLY
    return None if supply is None else whole(supply, chart.decimals)


def _view(candle: Candle, chart: Chart, unit: ChartUnit, supply: Decimal | None, head: int) -> CandleView:
    is_over = candle.time + candle.interval.seconds <= head
    candle = candle if unit is ChartUnit.QUOTE else _with_usd_ends(candle)
    return CandleView(candle=candle, token_id=chart.token_id, supply=supply, unit=unit, is_final=is_over)


def _with_usd_ends(candle: Candle) -> Candle:
    """For charts in USD: where the first or last trade had no rate, another price known of the interval is its end."""
    known = next((usd for usd in (candle.open_usd, candle.close_usd, candle.low_usd) if usd is not None), None)
    ends = {name: known for name in ("open_usd", "close_usd") if getattr(candle, name) is None}
    return msgspec.structs.replace(candle, **ends) if ends else candle


def _filled(views: list[CandleView], chosen: ChartRange, head: int) -> list[CandleView]:
    """Every slot of the range from the first price on, but none after the head."""
    width, previous = chosen.interval.seconds, None
    by_time = {view.candle.time: view for view in views if view.candle.time >= chosen.start}
    earlier = [view for view in views if view.candle.time < chosen.start]
    previous = earlier[-1] if earlier else None
    first = chosen.interval.bucket(chosen.start + width - 1)
    filled = []
    for start in range(first, min(chosen.end, head + 1), width):
        traded = by_time.get(start)
        previous = traded or (None if previous is None else _repeat(previous, start, head))
        if previous is not None:
            filled.append(previous)
    return filled


def _repeat(previous: CandleView, start: int, head: int) -> CandleView:
    """The last close with zero volume."""
    last = previous.candle
    still = {f"{name}": last.close for name in ("open", "high", "low")}
    still_usd = {f"{name}_usd": last.close_usd for name in ("open", "high", "low")}
    volumes = ("volume", "buy_volume", "sell_volume", "volume_usd", "buy_volume_usd", "sell_volume_usd")
    nothing = {**dict.fromkeys(volumes, ZERO), **dict.fromkeys(("trades", "buys", "sells", "usd_trades"), 0)}
    candle = msgspec.structs.replace(last, time=start, **still, **still_usd, **nothing)
    is_over = start + candle.interval.seconds <= head
    return msgspec.structs.replace(previous, candle=candle, is_filled=True, is_final=is_over)
