"""Opens the database: any libpq URL, or the embedded Postgres when the settings say so."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.cancellation import heed
from app.errors import StartupError
from app.settings import Settings
from app.store.embedded import EmbeddedPostgres

_LOG = logging.getLogger(__name__)
OLDEST_MAJOR = 16
_LONGEST_WAIT_SECONDS = 5.0
_LOST_CLASSES = ("08", "53", "57", "40", "55")
"""SQLSTATE: connection, resources, operator intervention, rollback by the server, object in use."""
PEP249Error = AsyncAdapt_asyncpg_dbapi.Error
Result = TypeVar("Result")
_CONNECT_SECONDS = 10.0


def create_engine(url: str, settings: Settings) -> AsyncEngine:
    """A pool over `url` (postgresql://…, a Unix socket as `?host=/folder`); opens no connection yet.

    asyncpg reads the URL itself, so that every libpq parameter (sslmode, passfile, …) works as people know it.
    """
    dsn = _libpq(url)

    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(
            dsn,
            timeout=_CONNECT_SECONDS,
            command_timeout=settings.database_timeout_seconds,
            # For spinning disks the planner's default is 4: it made the latest-trades query 70 times slower.
            server_settings={"application_name": "curvecast", "timezone": "UTC", "random_page_cost": "1.1"},
        )

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=connect,
        pool_size=settings.database_pool_size,
        max_overflow=0,
        pool_timeout=settings.database_timeout_seconds,
    )


@asynccontextmanager
async def open_url(settings: Settings) -> AsyncIterator[str]:
    """The URL of a database that answers: the configured one, or the embedded server, which runs until the exit.

    Raises StartupError with one line when the database cannot be reached or is too old.
    """
    if not settings.is_embedded:
        await check(str(settings.database_url))
        yield str(settings.database_url)
        return
    server = EmbeddedPostgres(settings.data_dir)
    await asyncio.to_thread(server.start)
    keeper = asyncio.create_task(server.keep_running())
    try:
        yield server.url
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def open_engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    """The engine over `open_url`, closed at the exit."""
    async with open_url(settings) as url:
        engine = create_engine(url, settings)
        try:
            yield engine
        finally:
            await engine.dispose()


async def check(url: str) -> None:
    """Raises StartupError, in one line without driver text or password, unless `url` answers and is new enough."""
    try:
        connection = await asyncpg.connect(_libpq(url), timeout=_CONNECT_SECONDS)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StartupError(f"no database at {_place(url)}: {_reason(error)}. Check CURVECAST_DATABASE_URL.") from error
    try:
        major = connection.get_server_version().major
    finally:
        await connection.close()
    if major < OLDEST_MAJOR:
        raise StartupError(f"{_place(url)} is PostgreSQL {major}; Curvecast needs {OLDEST_MAJOR} or newer.")


def is_lost(error: BaseException) -> bool:
    """Whether an error means that the connection or server went away, so that trying again is right.

    asyncpg raises InternalClientError, which is no PostgresError, when the server restarts under a COPY.
    """
    cause: BaseException | None = error
    while isinstance(cause, DBAPIError | PEP249Error):  # SQLAlchemy wraps twice
        cause = cause.__cause__
    if isinstance(cause, asyncpg.PostgresError):
        return (cause.sqlstate or "")[:2] in _LOST_CLASSES
    return isinstance(cause, OSError | PoolTimeout | asyncpg.InterfaceError | asyncpg.InternalClientError)


async def persist(attempt: Callable[[], Awaitable[Result]]) -> Result:
    """Tries until the database answers, with growing pauses; any other error is raised."""
    wait = 0.05
    while True:
        try:
            return await attempt()
        except Exception as error:
            heed()
            if not is_lost(error):
                raise
            _LOG.warning("the database is away", extra={"cause": type(error).__name__, "wait_seconds": wait})
        await asyncio.sleep(wait)
        wait = min(2 * wait, _LONGEST_WAIT_SECONDS)


def _libpq(url: str) -> str:
    return url.replace("postgresql+asyncpg://", "postgresql://", 1)


def _place(url: str) -> str:
    """Host, port and database of a URL: what may be shown."""
    try:
        parts = urlsplit(_libpq(url))
        host = parts.hostname or parse_qs(parts.query).get("host", ["localhost"])[0]
        return f"{host}:{parts.port or 5432}{parts.path}"
    except ValueError:
        return "the given address"


def _reason(error: BaseException) -> str:
    match error:
        case asyncpg.InvalidAuthorizationSpecificationError():
            return "the user or password was refused"
        case asyncpg.InvalidCatalogNameError():
            return "there is no database of that name"
        case asyncpg.TooManyConnectionsError():
            return "it has no free connection"
        case TimeoutError():
            return f"no answer within {_CONNECT_SECONDS:.0f} s"
        case asyncpg.CannotConnectNowError():
            return "it is starting or stopping"
        case ValueError() | asyncpg.InterfaceError():
            return "the address cannot be read; it looks like postgresql://user:password@host:5432/name"
        case _:
            return "nothing answers there"
