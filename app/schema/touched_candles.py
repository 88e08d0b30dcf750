"""Candles of which something changed, as a chart shows them now: read together, however many charts they are of."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.candles import Interval
from app.domain.programs import TradeProgram
from app.schema.chart_views import MAX_CANDLES, repeat, views_of, without_price
from app.schema.enums import CandleFill, ChartUnit
from app.schema.views import CandleView
from app.store.candles import Chart, ChartRange, read_charts


class ChartSpec(NamedTuple):
    """Which chart: what equal streams share whatever their history."""

    mint: str
    interval: Interval
    program: TradeProgram | None
    unit: ChartUnit
    fill: CandleFill

    def between(self, start: int, end: int, countback: int = 0, *, with_previous: bool = False) -> ChartRange:
        need_usd = self.unit is not ChartUnit.QUOTE
        return ChartRange(self.interval, start, end, countback, self.program, with_previous, need_usd)


class Touched(NamedTuple):
    """Intervals of a chart, by their first second, and whether a fork took trades out of each."""

    spec: ChartSpec
    buckets: Mapping[int, bool]


class _Part(NamedTuple):
    """One read of a chart."""

    range: ChartRange
    follows: bool
    """Whether the filled intervals after each touched one are shown again too: they repeat its close."""


async def read_touched(connection: AsyncConnection, wanted: Sequence[Touched], head: int) -> list[list[CandleView]]:
    """The candles of each, oldest first; charts of equal ranges are read by one statement.

    An interval in which a fork left nothing comes without trades and filled: with the close before it, or, where
    nothing is before it, with zeros.
    """
    parts = [_parts(each, head) for each in wanted]
    mints: dict[ChartRange, dict[str, None]] = {}
    for each, parts_of in zip(wanted, parts, strict=True):
        for part in parts_of:
            mints.setdefault(part.range, {})[each.spec.mint] = None
    charts = {chosen: await read_charts(connection, list(of), chosen) for chosen, of in mints.items()}
    return [
        [view for part in parts_of for view in _shown(each, part, charts[part.range].get(each.spec.mint), head)]
        for each, parts_of in zip(wanted, parts, strict=True)
    ]


def _parts(touched: Touched, head: int) -> list[_Part]:
    spec, width = touched.spec, touched.spec.interval.seconds
    buckets = sorted(touched.buckets)
    if spec.fill is not CandleFill.PREVIOUS_CLOSE:
        return [_Part(_run_range(touched, run), follows=False) for run in _runs(buckets, width)]
    # Of what is older than a chart can be, only the touched intervals themselves are shown again.
    oldest = spec.interval.bucket(head) - (MAX_CANDLES - 1) * width
    older, newer = [each for each in buckets if each < oldest], [each for each in buckets if each >= oldest]
    parts = [_Part(_run_range(touched, run), follows=False) for run in _runs(older, width)]
    if newer:
        end = max(head + 1, newer[-1] + 1)
        parts.append(_Part(spec.between(newer[0], end, with_previous=True), follows=True))
    return parts


def _runs(buckets: Sequence[int], width: int) -> Iterator[list[int]]:
    """Neighbours together, so that each run is one range."""
    run = list(buckets[:1])
    for before, each in pairwise(buckets):
        if each - before > width or len(run) == MAX_CANDLES:
            yield run
            run = []
        run.append(each)
    if run:
        yield run


def _run_range(touched: Touched, run: Sequence[int]) -> ChartRange:
    is_withdrawn = any(touched.buckets[each] for each in run)
    end = run[-1] + touched.spec.interval.seconds
    return touched.spec.between(run[0], end, with_previous=is_withdrawn)


def _shown(touched: Touched, part: _Part, chart: Chart | None, head: int) -> list[CandleView]:
    if chart is None:
        return []
    spec, chosen = touched.spec, part.range
    views = views_of(chart, chosen, spec.unit, spec.fill if part.follows else CandleFill.NONE, head)
    shown = _with_followers(touched, views) if part.follows else [each for each in views if _is_in(each, touched)]
    found = {each.candle.time for each in shown}
    emptied = [
        start
        for start, is_withdrawn in touched.buckets.items()
        if is_withdrawn and start not in found and chosen.start <= start < chosen.end
    ]
    for start in emptied:
        before = [view for view in views if view.candle.time < start]
        shown.append(
            repeat(before[-1], start, chart.withdrawn[start], head)
            if before
            else without_price(chart, chosen, spec.unit, start, head)
        )
    return sorted(shown, key=lambda view: view.candle.time)


def _is_in(view: CandleView, touched: Touched) -> bool:
    return view.candle.time in touched.buckets


def _with_followers(touched: Touched, views: Sequence[CandleView]) -> list[CandleView]:
    shown: list[CandleView] = []
    follows = False
    for view in views:
        follows = _is_in(view, touched) or (follows and view.is_filled)
        if follows:
            shown.append(view)
    return shown
