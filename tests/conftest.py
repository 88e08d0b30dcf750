"""What all tests share: asyncio, a Postgres for the session with a fresh migrated database a test, a Redis."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import count
from secrets import token_hex
from typing import NamedTuple

import asyncpg
import hypothesis
import pytest
from servers import RedisServer, redis, session_postgres, url_of_database
from sqlalchemy.ext.asyncio import AsyncEngine

from app.settings import Settings
from app.store.engine import create_engine
from app.store.migrate import upgrade

_RUN = f"curvecast_test_{token_hex(4)}"
"""Two runs may share a server that is given to them."""
# A loaded machine is slow, not wrong: nothing here is judged by its time.
hypothesis.settings.register_profile(
    "curvecast", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("curvecast")
_numbers = count(1)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


class PostgresServer(NamedTuple):
    """The session's server, and its migrated database that the others are copied from."""

    url: str
    template: str


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with session_postgres() as url:
        server = PostgresServer(url, f"{_RUN}_migrated")
        asyncio.run(_make_template(server))
        yield server
        asyncio.run(_execute(url, f"DROP DATABASE {server.template} WITH (FORCE)"))


async def _make_template(server: PostgresServer) -> None:
    await _execute(server.url, f"CREATE DATABASE {server.template}")
    url = url_of_database(server.url, server.template)
    await upgrade(url)
    connection = await asyncpg.connect(url)
    if await connection.fetchval("SELECT count(*) FROM pg_extension WHERE extname = 'timescaledb'"):
        # Tests run the policies themselves.
        await connection.execute("SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs")
    await connection.close()
    # TimescaleDB keeps a worker in each database that allows it, and a database that is in use cannot be copied.
    await _execute(server.url, f"ALTER DATABASE {server.template} ALLOW_CONNECTIONS false")
    in_use = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{server.template}'"
    await _execute(server.url, in_use)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def empty_database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A database without any table."""
    async for url in _database(postgres_server.url, "template0"):
        yield url


@pytest.fixture
async def database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """A fresh database at the newest migration; dropped after the test."""
    async for url in _database(postgres_server.url, postgres_server.template):
        yield url


@pytest.fixture
async def second_database_url(postgres_server: PostgresServer) -> AsyncIterator[str]:
    """Another one like `database_url`, to compare with."""
    async for url in _database(postgres_server.url, postgres_server.template):
        yield url


async def _database(server_url: str, template: str) -> AsyncIterator[str]:
    name = f"{_RUN}_{next(_numbers)}"
    await _execute(server_url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield url_of_database(server_url, name)
    await _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The pool over the test's database."""
    engine = create_engine(database_url, Settings())
    yield engine
    await engine.dispose()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    """A redis-server of the test's own: it may be killed, started again, flushed."""
    with redis() as server:
        yield server
