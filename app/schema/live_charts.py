"""Charts that streams watch: what a batch touches is read from the store, together for all of them, and told.

Candles are not folded a second time: what is published is stored, so a stream shows what a query answers. One read runs
at a time; what is touched meanwhile joins the next one, so that a busy market costs as many reads as the store can do.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from app.cancellation import heed
from app.domain.candles import Interval
from app.domain.records import Batch, Head, RecordKind
from app.live.hub import Hub
from app.live.moment import Moment
from app.live.routing import Condition, Router, Subscriber
from app.schema.enums import CandleFill
from app.schema.touched_candles import ChartSpec, Touched, read_touched
from app.schema.views import CandleView
from app.store.engine import is_lost

log = logging.getLogger(__name__)
_AGAIN_SECONDS: Final = 0.5
_REMEMBERED: Final = 256
"""Candles of one chart of which is known what was told last."""


class CandleChange(NamedTuple):
    """A candle to be shown, again or for the first time."""

    view: CandleView
    sequence: int
    """It holds everything up to here."""
    since: int
    """Whoever has everything up to here, and all candles that come with this one, misses nothing up to `sequence`."""
    is_last: bool
    """Whether it is the last of those that come together."""

    @property
    def resume_after(self) -> int:
        """Where to go on after it: those that come with it count only when all have come."""
        return self.sequence if self.is_last else self.since


def changes(views: Sequence[CandleView], since: int, sequence: int) -> list[CandleChange]:
    """Candles that come together."""
    return [CandleChange(view, sequence, since, view is views[-1]) for view in views]


class Watch(Router[CandleChange]):
    """A chart that is watched as long as it has subscribers."""

    def __init__(self, charts: "LiveCharts", spec: ChartSpec) -> None:
        super().__init__(lambda _change: ())
        self.spec = spec
        self._charts = charts
        self._touched: dict[int, bool] = {}
        self._open: set[int] = set()
        """Intervals that may have a candle and are not over: it is shown once more when they are."""
        self._told: dict[int, CandleView] = {}

    def join(self, subscriber: Subscriber[CandleChange], condition: Condition[CandleChange]) -> None:
        super().join(subscriber, condition)
        self._touched.clear()
        self._told.clear()
        head_time = self._charts.head_time
        self._open = {self.spec.interval.bucket(head_time)} if head_time else set()
        self._charts.add(self)

    def leave(self, subscriber: Subscriber[CandleChange]) -> None:
        super().leave(subscriber)
        if not len(self):
            self._charts.drop(self)

    def touch(self, time: int, *, is_withdrawn: bool = False) -> None:
        """Something changed in the interval of a block time."""
        start = self.spec.interval.bucket(time)
        self._touched[start] = self._touched.get(start, False) or is_withdrawn
        if start + self.spec.interval.seconds > self._charts.head_time:
            self._open.add(start)

    def move(self, before: int, head_time: int) -> bool:
        """The chain has come to another interval; whether one that was shown is over now."""
        over = {start for start in self._open if start + self.spec.interval.seconds <= head_time}
        self._open -= over
        for start in over:
            self._touched.setdefault(start, False)
        if head_time < before or self.spec.fill is CandleFill.PREVIOUS_CLOSE:
            self._open.add(self.spec.interval.bucket(head_time))
        return bool(over)

    def take_touched(self) -> Touched:
        """What is to be read; from now on it counts as read."""
        touched, self._touched = self._touched, {}
        return Touched(self.spec, touched)

    def put_back(self, touched: Touched) -> None:
        """It could not be read."""
        for start, is_withdrawn in touched.buckets.items():
            self.touch(start, is_withdrawn=is_withdrawn)

    def show(self, views: Sequence[CandleView], since: int, moment: Moment) -> None:
        """Tells what of it is news."""
        news = [view for view in views if self._is_news(view)]
        for view in news:
            self._told.pop(view.candle.time, None)
            self._told[view.candle.time] = view
        while len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
        if news:
            self.send(changes(news, since, moment.sequence), moment)

    def _is_news(self, view: CandleView) -> bool:
        """A fork that takes the head back over the end of an interval does not make it unfinished again for those who
        were told: only a trade that comes or leaves does."""
        told = self._told.get(view.candle.time)
        return told is None or (view != told and view.revision >= told.revision)


class LiveCharts:
    """One per process. Implements `app.live.hub.Listener`."""

    def __init__(self) -> None:
        self._hub: Hub | None = None
        self._head: Head | None = None
        self._sequence = 0
        self._settled = 0
        self._by_mint: dict[str, dict[Watch, None]] = {}
        self._by_interval: dict[Interval, dict[Watch, None]] = {}
        self._dirty: dict[Watch, None] = {}
        self._task: asyncio.Task[None] | None = None

    def watch(self, hub: Hub, spec: ChartSpec) -> Watch:
        """A chart to be joined."""
        if self._hub is None:
            self._hub, self._head, self._sequence = hub, hub.head, hub.sequence
            hub.listen(self)
        return Watch(self, spec)

    @property
    def settled(self) -> int:
        """Everything up to this sequence has been told."""
        return self._sequence if self._task is None else self._settled

    @property
    def head_time(self) -> int:
        return self._head.point.time if self._head is not None else 0

    def add(self, watch: Watch) -> None:
        self._by_mint.setdefault(watch.spec.mint, {})[watch] = None
        self._by_interval.setdefault(watch.spec.interval, {})[watch] = None

    def drop(self, watch: Watch) -> None:
        """Twice is once."""
        self._dirty.pop(watch, None)
        indexes: tuple[tuple[dict[Any, dict[Watch, None]], Any], ...] = (
            (self._by_mint, watch.spec.mint),
            (self._by_interval, watch.spec.interval),
        )
        for index, key in indexes:
            watches = index.get(key, {})
            watches.pop(watch, None)
            if not watches:
                index.pop(key, None)

    def take(self, batch: Batch, after: int) -> None:
        settled, before = self.settled, self.head_time
        self._head, self._sequence = batch.head, max(after, batch.last_sequence)
        if self._by_mint:
            self._touch(batch, after)
            self._move(before)
        if self._dirty and self._task is None:
            self._settled = settled
            self._task = asyncio.create_task(self._read_on())

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        for watches in list(self._by_mint.values()):
            for watch in list(watches):
                watch.close()

    def _touch(self, batch: Batch, after: int) -> None:
        for trade in batch.trades:
            if trade.sequence > after:
                for watch in self._by_mint.get(trade.mint, ()):
                    if watch.spec.program in (None, trade.venue_kind):
                        watch.touch(trade.block_time)
                        self._dirty[watch] = None
        for gone in batch.rolled_back:
            if gone.kind is RecordKind.TRADE:
                for watch in self._by_mint.get(gone.mint, ()):
                    watch.touch(gone.block_time, is_withdrawn=True)
                    self._dirty[watch] = None

    def _move(self, before: int) -> None:
        now = self.head_time
        for interval, watches in self._by_interval.items():
            if interval.bucket(now) != interval.bucket(before):
                self._dirty.update((watch, None) for watch in watches if watch.move(before, now))

    async def _read_on(self) -> None:
        try:
            while self._dirty:
                await self._read()
        finally:
            self._task = None

    async def _read(self) -> None:
        assert self._hub is not None
        watches, self._dirty = list(self._dirty), {}
        wanted = [watch.take_touched() for watch in watches]
        moment, head_time = Moment(self._sequence, self._head, self._hub.rates, {}), self.head_time
        try:
            async with self._hub.engine.connect() as connection:
                autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
                shown = await read_touched(autocommit, wanted, head_time)
        except Exception as error:
            heed()
            await self._failed(error, list(zip(watches, wanted, strict=True)))
            return
        since, self._settled = self._settled, moment.sequence
        for watch, views in zip(watches, shown, strict=True):
            watch.show(views, since, moment)

    async def _failed(self, error: Exception, wanted: Sequence[tuple[Watch, Touched]]) -> None:
        """The store is away: again, until it is back. Anything else ends the streams, which can come back."""
        if not is_lost(error):
            log.exception("charts cannot be read", exc_info=error)
            for watch, _ in wanted:
                watch.close()
            return
        for watch, touched in wanted:
            watch.put_back(touched)
            if len(watch):
                self._dirty[watch] = None
        await asyncio.sleep(_AGAIN_SECONDS)
