"""What runs beside a live market: rates, gaps that are filled, accounts of tokens met in mid-life, and metadata."""

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.slots import OpenGap
from app.settings import Settings
from app.store.engine import persist
from app.store.facts import tokens_without_facts
from app.store.gaps import open_gaps
from indexer.facts import Wanted
from indexer.metadata.fetching import Fetcher
from indexer.metadata.keeping import MetadataKeeper
from indexer.rpc.pool import Pool
from indexer.sources import Source
from indexer.sources.backfill import BackfillSource
from indexer.sources.logs import LogsSource
from indexer.sources.midlife import MidlifeSource, Open
from indexer.sources.rates import RatesSource
from indexer.sources.rates.host import hosts
from indexer.sources.rpc import RpcSource

_TOKENS: Final = 33
"""With metadata and curve they are about 100 accounts: one question to a node."""
_GAPS: Final = 1_000


class Beside(NamedTuple):
    """Sources and other work that go with the market's sources."""

    sources: list[Source]
    works: list[Callable[[], Coroutine[None, None, None]]]


@asynccontextmanager
async def open_beside(settings: Settings, engine: AsyncEngine, market: Sequence[Source]) -> AsyncIterator[Beside]:
    """What a live market needs; one that is simulated or replayed brings it along. StartupError for wrong settings."""
    sources = [*_rates(settings), *_from_nodes(_nodes(settings, market), engine)]
    gateways = [each.strip() for each in settings.ipfs_gateways.split(",") if each.strip()]
    if gateways == ["none"]:
        yield Beside(sources, [])
        return
    async with Fetcher(gateways) as fetcher:
        yield Beside(sources, [MetadataKeeper(engine, fetcher).run])


def _rates(settings: Settings) -> list[Source]:
    apis = hosts(settings.price_apis)
    return [RatesSource(apis)] if apis else []


def _nodes(settings: Settings, market: Sequence[Source]) -> Pool | None:
    """The pool that follows the market; its own for a market from gRPC, and none where no nodes are set."""
    for source in market:
        if isinstance(source, RpcSource | LogsSource):
            return source.pool
    if not str(settings.rpc_urls):
        return None
    pool = Pool(str(settings.rpc_urls))
    pool.follow(None)
    return pool


def _from_nodes(pool: Pool | None, engine: AsyncEngine) -> list[Source]:
    """What needs nodes, and asks them nothing before it is known which chain the market is of."""
    if pool is None:
        return []

    async def gaps() -> list[OpenGap]:
        await pool.followed.wait()
        return await persist(lambda: open_gaps(engine, _GAPS))

    async def names_open(before: int | None) -> list[Open]:
        await pool.followed.wait()
        found = await persist(lambda: tokens_without_facts(engine, _TOKENS, before))
        return [
            Open(each.token_id, Wanted(each.mint, tuple((venue.address, venue.protocol) for venue in each.venues)))
            for each in found
        ]

    return [BackfillSource(pool, gaps), MidlifeSource(pool, names_open)]
