"""Runs sources into one store and bus: `curvecast index`, `replay` and the indexer half of `up`."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from app.bus.backoff import Backoff
from app.domain.health import DEGRADED, DOWN, OK
from app.domain.slots import Gap, SlotRange
from app.errors import SourceLost
from app.settings import Settings
from app.store.checkpoints import read_checkpoint
from app.store.components import tell_components
from app.store.engine import persist
from app.store.feed import read_head
from app.store.stats import recompute_stats
from app.store.writer import Writer
from indexer.announcing import Announcer, Announcing
from indexer.completeness import Ledger
from indexer.pipeline import Counters, Pipeline
from indexer.pools import PoolBook
from indexer.redrive import UNKNOWN_POOL, redrive
from indexer.sources import Delivery, Source, Tells
from indexer.sources.selection import LIVE

_LOG = logging.getLogger(__name__)
_TIDY_SECONDS = 3.0
_TIDY_SHARE = 10
"""Recomputing lists takes at most a tenth of the time, however large the store is."""
_TELL_SECONDS = 1.0


async def run_indexer(
    settings: Settings,
    engine: AsyncEngine,
    sources: Source | Sequence[Source],
    announcer: Announcer,
    *,
    once: bool,
    beside: Sequence[Source] = (),
    works: Sequence[Callable[[], Coroutine[None, None, None]]] = (),
    on_progress: Callable[[Counters], None] = lambda counters: None,
) -> Counters:
    """Indexes `sources` from where each was left, as the one writer of the database (waits while there is another).

    What several of them bring is stored once, from whoever is first. `beside` are sources that fill or add to what the
    others bring, as rates: they are not what the market is fed from. `works` run as long as these. Returns what
    happened when the sources are exhausted and `once` is set. Otherwise it runs until cancelled: a source that is lost
    is opened again, alone, and exhausted ones leave the store served and its lists fresh.
    """
    market = [sources] if isinstance(sources, Source) else list(sources)
    pools, counters = PoolBook(), Counters()
    left_at = await persist(lambda: _left_at(engine))
    name, is_simulated = ", ".join(each.name for each in market), any(each.is_simulated for each in market)
    async with Writer(engine, settings, source=name, is_simulated=is_simulated) as writer:
        await persist(lambda: pools.load(engine))
        announcing = Announcing(announcer, engine, lambda: writer.feed.sequence)
        ledger = Ledger() if len(market) > 1 else None

        def reading(source: Source, name: str, ledger: Ledger | None, left_at: int | None) -> _Reading:
            pipeline = Pipeline(settings, writer, pools, announcing, source.name, counters, ledger)
            return _Reading(source, name, engine, pipeline, on_progress, ledger, left_at)

        readings = [
            *(reading(each, f"source {each.name}", ledger, left_at if each.name in LIVE else None) for each in market),
            *(reading(each, each.name, None, None) for each in beside),
        ]

        async def drive(cause: str | None) -> None:
            for stored in await redrive(engine, writer, pools, cause=cause):
                announcing.offer(stored.batch)

        async def tidy() -> None:
            if [each for each in readings if each.takes_new_pools()]:
                await drive(UNKNOWN_POOL)
            await recompute_stats(engine)

        await persist(lambda: drive(None))  # this version may read what a former one could not
        telling = _now_and_then(lambda: _tell(engine, readings, ledger), _TELL_SECONDS)
        async with AsyncExitStack() as stack:
            for work in (announcing.run(), _now_and_then(tidy, _TIDY_SECONDS), telling, *(each() for each in works)):
                await stack.enter_async_context(_beside(work))
            if once:
                await _all(each.read_once() for each in readings)
            else:
                await _all(each.read_for_ever() for each in readings)
                await asyncio.Event().wait()
        await persist(tidy)
        await persist(lambda: tell_components(engine, ()))  # nothing runs any more, and nothing is wrong with that
        await _announce_the_rest(announcing, settings.database_timeout_seconds)
    return counters


class _Reading:
    """A source and its way into the store."""

    def __init__(
        self,
        source: Source,
        name: str,
        engine: AsyncEngine,
        pipeline: Pipeline,
        on_progress: Callable[[Counters], None],
        ledger: Ledger | None,
        left_at: int | None,
    ) -> None:
        self.source = source
        self._name = name
        self._engine = engine
        self._pipeline = pipeline
        self._on_progress = on_progress
        self._trouble: str | None = None
        self._ledger = ledger
        """What all sources of the market brought, where there are several."""
        self._left_at = left_at
        """Newest slot of the live market before this start, until it is known whether this source goes on there."""

    def components(self) -> list[tuple[str, str, str]]:
        """The source as a whole, then its parts."""
        parts = self.source.components() if isinstance(self.source, Tells) else []
        whole = (DOWN, self._trouble) if self._trouble else (OK, "")
        if parts and all(state == DOWN for _, state, _ in parts):
            whole = (DOWN, "none of its parts works")
        if self._ledger is not None and (share := self._ledger.shares.get(self.source.name)):
            state = OK if share.brought == share.events else DEGRADED
            parts = [*parts, (f"completeness of {self.source.name}", state, share.text)]
        return [(self._name, *whole), *parts]

    def takes_new_pools(self) -> bool:
        """Whether pools became known since it was asked last."""
        has_new, self._pipeline.has_new_pools = self._pipeline.has_new_pools, False
        return has_new

    async def read_once(self) -> None:
        """From the checkpoint until the source is exhausted."""
        checkpoint = await persist(lambda: read_checkpoint(self._engine, self.source.name))
        self._left_at = None if checkpoint else self._left_at
        deliveries = self.source.stream(checkpoint.state if checkpoint else None)
        await self._pipeline.run(self._noted(deliveries), self._on_progress)

    async def read_for_ever(self) -> None:
        """As `read_once`; a lost source is opened again where it had come to."""
        backoff = Backoff()
        while True:
            try:
                return await self.read_once()
            except SourceLost as error:
                if self._trouble is None:
                    backoff.reset()
                self._trouble = str(error)
                wait = backoff.next_seconds()
                _LOG.warning("the source is lost", extra={"cause": self._trouble, "wait_seconds": round(wait, 2)})
            await asyncio.sleep(wait)

    async def _noted(self, deliveries: AsyncIterator[Delivery]) -> AsyncIterator[Delivery]:
        """Passes deliveries on; with the first one the trouble is over."""
        try:
            async for delivery in deliveries:
                self._trouble = None
                yield self._reconciled(self._with_gap(delivery))
        finally:
            if isinstance(deliveries, AsyncGenerator):
                await deliveries.aclose()

    def _reconciled(self, delivery: Delivery) -> Delivery:
        """Where sources contradict each other, the one that proves its blocks complete is right: what it does not have
        is withdrawn, whoever brought it, and what it proves is not withdrawn for another one."""
        if self._ledger is None:
            return delivery
        disputed = self._ledger.disputed(self.source.name, delivery.retracted)
        phantoms = self._ledger.phantoms(self.source.name, delivery)
        retracted = tuple(slot for slot in (*delivery.retracted, *phantoms) if slot not in disputed)
        self._ledger.withdraw(retracted)
        self._ledger.prove(self.source.name, delivery.complete)
        if retracted == delivery.retracted:
            return delivery
        return msgspec.structs.replace(delivery, retracted=retracted)

    def _with_gap(self, delivery: Delivery) -> Delivery:
        """The first delivery of a source that has no checkpoint, with what lies between it and what is stored."""
        firsts = [slots.first for slots in delivery.complete] + [
            each.slot for each in delivery.transactions if each.slot
        ]
        if self._left_at is None or not firsts:
            return delivery
        left_at, self._left_at = self._left_at, None
        if min(firsts) <= left_at + 1:
            return delivery
        gap = Gap(SlotRange(left_at + 1, min(firsts) - 1), "no indexer was running")
        return msgspec.structs.replace(delivery, missing=(*delivery.missing, gap))


async def _left_at(engine: AsyncEngine) -> int | None:
    """Newest slot of the store; None where it is empty or was last fed from what is no live chain."""
    head = await read_head(engine)
    if head is None or not set(map(str.strip, head.source.split(","))) <= set(LIVE):
        return None
    return max(head.complete_slot or 0, head.point.slot)


async def _tell(engine: AsyncEngine, readings: Sequence[_Reading], ledger: Ledger | None) -> None:
    if ledger is not None:
        ledger.settle()
    await tell_components(engine, [part for each in readings for part in each.components()])


async def _all(works: Iterable[Coroutine[None, None, None]]) -> None:
    """Waits for all; the first failure ends the others and is raised."""
    async with _tasks() as tasks:
        for work in works:
            tasks.create_task(work)


async def _now_and_then(work: Callable[[], Awaitable[None]], seconds: float) -> None:
    while True:
        started = time.monotonic()
        await persist(work)
        took = time.monotonic() - started
        await asyncio.sleep(max(seconds, took * _TIDY_SHARE))


async def _announce_the_rest(announcing: Announcing, seconds: float) -> None:
    """Lets the bus have everything; one that is away has it read from Postgres by the next start."""
    async with _beside(announcing.run()):
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await announcing.caught_up()


@asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Runs `work` for as long as the block; when it fails, the block is cancelled and the failure raised."""
    async with _tasks() as tasks:
        task = tasks.create_task(work)
        yield
        task.cancel()


@asynccontextmanager
async def _tasks() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group whose first failure ends the others and is raised by itself."""
    try:
        async with asyncio.TaskGroup() as tasks:
            yield tasks
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
