"""The one writer of a store: takes the lock, stores each batch exactly once, comes back when the database does."""

import asyncio
import logging
from types import TracebackType
from typing import Self

import asyncpg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.settings import Settings
from app.store.engine import is_lost, persist
from app.store.writer_accounts import AccountBook
from app.store.writer_batch import Stored, Work, store
from app.store.writer_events import Books
from app.store.writer_feed import FeedState, load_feed, store_feed
from app.store.writer_journal import Journal
from app.store.writer_partitions import Partitions
from app.store.writer_rates import RateBook
from app.store.writer_world import World

_LOG = logging.getLogger(__name__)
LOCK = 0x43_55_52_56_45_57  # "CURVEW"
_STANDBY_SECONDS = 1.0
_SEEK = "SET enable_hashjoin = off; SET enable_mergejoin = off"
"""The writer joins few given keys with large tables: always by index, also where statistics are old or missing."""
_NOTICE_LOSS = "SET tcp_keepalives_idle = 3; SET tcp_keepalives_interval = 1; SET tcp_keepalives_count = 3"
"""The server lets go of the lock of a machine that is gone after six seconds, where its own settings say two hours."""


class Writer:
    """`async with Writer(…) as writer: await writer.write(work)`.

    Entering waits until no other writer of this database is left: the lock belongs to the database session, so that it
    falls free when its holder dies. `write` is exactly once: when the connection breaks, also during the commit, the
    batch is tried again over a new one, and what had been committed shows as duplicates.
    """

    def __init__(self, engine: AsyncEngine, settings: Settings, *, source: str, is_simulated: bool) -> None:
        self._engine = engine
        self._source = source
        self._is_simulated = is_simulated
        self._session: AsyncConnection | None = None
        self._connection: asyncpg.Connection | None = None
        # A simulated market is never taken back.
        self._books = Books(World(), AccountBook(), RateBook(settings), Journal(is_kept=not is_simulated))
        self._partitions = Partitions()
        self._feed: FeedState | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        await persist(self._connected)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._disconnect()

    @property
    def feed(self) -> FeedState:
        """The newest committed state of the feed."""
        assert self._feed is not None, "the writer is not open"
        return self._feed

    async def write(self, work: Work) -> Stored:
        """Stores `work` in one transaction and returns what of it was new.

        Waits as long as the database is away. Any other error is the batch's own: nothing of it was stored.
        """
        async with self._turn:
            return await persist(lambda: self._write(work))

    async def _write(self, work: Work) -> Stored:
        connection = await self._connected()
        try:
            await self._partitions.ensure(connection, {event.block_time for event in work.events})
            async with connection.transaction():
                stored, feed = await store(connection, self._books, self.feed, work)
        except BaseException as error:
            if isinstance(error, Exception) and not is_lost(error):
                await self._reload(connection)
                await self._books.journal.undo(connection)
            else:
                await self._disconnect()
            raise
        self._feed = feed
        self._books.journal.commit()
        return stored

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is not None:
            return self._connection
        self._session = await self._engine.connect()
        try:
            raw = await self._session.get_raw_connection()
            connection: asyncpg.Connection = raw.driver_connection  # type: ignore[assignment]
            await connection.execute(f"{_SEEK}; {_NOTICE_LOSS}")
            await _take_lock(connection)
            await self._reload(connection)
            await self._books.journal.load(connection)
        except BaseException:
            await self._disconnect()
            raise
        self._connection = connection
        return connection

    async def _reload(self, connection: asyncpg.Connection) -> None:
        """Forgets everything and reads it again: after another writer, or a transaction that was rolled back."""
        await self._partitions.load(connection)
        await self._books.world.forget(connection)
        self._books.accounts.forget()
        await self._books.rates.load(connection)
        self._feed = await load_feed(connection, self._source, self._is_simulated)
        await store_feed(connection, self._feed)

    async def _disconnect(self) -> None:
        """Ends the database session, and with it the lock; never gives the connection back to the pool."""
        session, self._session, self._connection = self._session, None, None
        if session is not None:
            await session.invalidate()
            await session.close()


async def _take_lock(connection: asyncpg.Connection) -> None:
    is_told = False
    while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
        if not is_told:
            _LOG.info("another indexer writes to this database: waiting as its standby")
            is_told = True
        await asyncio.sleep(_STANDBY_SECONDS)
