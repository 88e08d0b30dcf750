"""Candles as a chart shows them: valued in its unit, with its gaps filled."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from app.domain.candles import Candle
from app.domain.money import ZERO, whole
from app.domain.programs import Protocol
from app.domain.valuation import PUMP_SUPPLY
from app.schema.enums import CandleFill, ChartUnit
from app.schema.views import CandleView
from app.store.candles import Chart, ChartRange

MAX_CANDLES: Final = 5_000
_VOLUMES = ("volume", "buy_volume", "sell_volume", "volume_usd", "buy_volume_usd", "sell_volume_usd")
_NOTHING: Mapping[str, Any] = {
    **dict.fromkeys(_VOLUMES, ZERO),
    **dict.fromkeys(("trades", "buys", "sells", "usd_trades"), 0),
}


def views_of(chart: Chart, chosen: ChartRange, unit: ChartUnit, fill: CandleFill, head: int) -> list[CandleView]:
    """What was read for `chosen`, oldest first; `head` is the newest indexed block time."""
    supply = _supply(chart)
    if unit is ChartUnit.MARKET_CAP_USD and supply is None:
        return []
    candles = [_view(candle, chart, unit, supply, head) for candle in chart.candles]
    return _filled(candles, chart, chosen, head) if fill is CandleFill.PREVIOUS_CLOSE else candles


def _supply(chart: Chart) -> Decimal | None:
    supply = chart.total_supply
    if supply is None and chart.protocol == Protocol.PUMP_FUN:
        supply = PUMP_SUPPLY
    return None if supply is None else whole(supply, chart.decimals)


def _view(candle: Candle, chart: Chart, unit: ChartUnit, supply: Decimal | None, head: int) -> CandleView:
    is_over = candle.time + candle.interval.seconds <= head
    candle = candle if unit is ChartUnit.QUOTE else _with_usd_ends(candle)
    return CandleView(
        candle=candle,
        token_id=chart.token_id,
        supply=supply,
        unit=unit,
        is_final=is_over,
        withdrawn=chart.withdrawn[candle.time],
    )


def _with_usd_ends(candle: Candle) -> Candle:
    """For charts in USD: where the first or last trade had no rate, another price known of the interval is its end."""
    known = next((usd for usd in (candle.open_usd, candle.close_usd, candle.low_usd) if usd is not None), None)
    ends = {name: known for name in ("open_usd", "close_usd") if getattr(candle, name) is None}
    return msgspec.structs.replace(candle, **ends) if ends else candle


def _filled(views: list[CandleView], chart: Chart, chosen: ChartRange, head: int) -> list[CandleView]:
    """Every slot of the range from the first price on, but none after the head."""
    width, previous = chosen.interval.seconds, None
    by_time = {view.candle.time: view for view in views if view.candle.time >= chosen.start}
    earlier = [view for view in views if view.candle.time < chosen.start]
    previous = earlier[-1] if earlier else None
    first = chosen.interval.bucket(chosen.start + width - 1)
    filled = []
    for start in range(first, min(chosen.end, head + 1), width):
        traded = by_time.get(start)
        previous = traded or (None if previous is None else repeat(previous, start, chart.withdrawn[start], head))
        if previous is not None:
            filled.append(previous)
    return filled


def repeat(previous: CandleView, start: int, withdrawn: int, head: int) -> CandleView:
    """The last close with zero volume, in the interval that begins at `start`."""
    last = previous.candle
    still = {f"{name}": last.close for name in ("open", "high", "low")}
    still_usd = {f"{name}_usd": last.close_usd for name in ("open", "high", "low")}
    candle = msgspec.structs.replace(last, time=start, **still, **still_usd, **_NOTHING)
    is_over = start + candle.interval.seconds <= head
    return msgspec.structs.replace(previous, candle=candle, is_filled=True, is_final=is_over, withdrawn=withdrawn)


def without_price(chart: Chart, chosen: ChartRange, unit: ChartUnit, start: int, head: int) -> CandleView:
    """An interval in which nothing is left, with nothing before it that would price it: all zero."""
    free = {f"{name}{end}": ZERO for name in ("open", "high", "low", "close") for end in ("", "_usd")}
    values: dict[str, Any] = {**free, **_NOTHING}
    key = (start, 0, b"")
    candle = Candle(time=start, interval=chosen.interval, kind=chosen.program, open_key=key, close_key=key, **values)
    is_over = start + candle.interval.seconds <= head
    return CandleView(
        candle=candle,
        token_id=chart.token_id,
        supply=None,
        unit=unit,
        is_final=is_over,
        is_filled=True,
        withdrawn=chart.withdrawn[start],
    )
