"""Runs one source into one store and bus: `curvecast index`, `replay` and the indexer half of `up`."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress

from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import SourceLost
from app.settings import Settings
from app.store.checkpoints import read_checkpoint
from app.store.engine import persist
from app.store.stats import recompute_stats
from app.store.writer import Writer
from indexer.announcing import Announcer, Announcing
from indexer.pipeline import Counters, Pipeline
from indexer.pools import PoolBook
from indexer.redrive import UNKNOWN_POOL, redrive
from indexer.sources import Source

_LOG = logging.getLogger(__name__)
_TIDY_SECONDS = 3.0
_TIDY_SHARE = 10
"""Recomputing lists takes at most a tenth of the time, however large the store is."""
_LONGEST_WAIT_SECONDS = 30.0


async def run_indexer(
    settings: Settings,
    engine: AsyncEngine,
    source: Source,
    announcer: Announcer,
    *,
    once: bool,
    on_progress: Callable[[Counters], None] = lambda counters: None,
) -> Counters:
    """Indexes `source` from where it was left, as the one writer of the database (waits while there is another).

    Returns what happened when the source is exhausted and `once` is set. Otherwise it runs until cancelled: a source
    that is lost is opened again, an exhausted one leaves the store served and its lists fresh.
    """
    pools = PoolBook()
    async with Writer(engine, settings, source=source.name, is_simulated=source.is_simulated) as writer:
        await persist(lambda: pools.load(engine))
        announcing = Announcing(announcer, engine, lambda: writer.feed.sequence)
        pipeline = Pipeline(settings, writer, pools, announcing, source.name)

        async def drive(cause: str | None) -> None:
            for stored in await redrive(engine, writer, pools, cause=cause):
                announcing.offer(stored.batch)

        async def tidy() -> None:
            if pipeline.has_new_pools:
                pipeline.has_new_pools = False
                await drive(UNKNOWN_POOL)
            await recompute_stats(engine)

        await persist(lambda: drive(None))  # this version may read what a former one could not
        async with _beside(announcing.run()), _beside(_now_and_then(tidy)):
            await _read_to_the_end(source, engine, pipeline, on_progress, once=once)
            if not once:
                await asyncio.Event().wait()
        await persist(tidy)
        await _announce_the_rest(announcing, settings.database_timeout_seconds)
    return pipeline.counters


async def _read_to_the_end(
    source: Source, engine: AsyncEngine, pipeline: Pipeline, on_progress: Callable[[Counters], None], *, once: bool
) -> None:
    """Reads from the checkpoint until the source is exhausted; a lost one is opened again where it had come to."""
    wait = 0.25
    while True:
        checkpoint = await persist(lambda: read_checkpoint(engine, source.name))
        try:
            return await pipeline.run(source.stream(checkpoint.state if checkpoint else None), on_progress)
        except SourceLost as error:
            if once:
                raise
            _LOG.warning("the source is lost", extra={"cause": str(error), "wait_seconds": wait})
        await asyncio.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT_SECONDS)


async def _now_and_then(tidy: Callable[[], Awaitable[None]]) -> None:
    while True:
        started = time.monotonic()
        await persist(tidy)
        took = time.monotonic() - started
        await asyncio.sleep(max(_TIDY_SECONDS, took * _TIDY_SHARE))


async def _announce_the_rest(announcing: Announcing, seconds: float) -> None:
    """Lets the bus have everything; one that is away has it read from Postgres by the next start."""
    async with _beside(announcing.run()):
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await announcing.caught_up()


@asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Runs `work` for as long as the block; when it fails, the block is cancelled and the failure raised."""
    try:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(work)
            yield
            task.cancel()
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
