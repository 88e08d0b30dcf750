"""What all tests share: asyncio, a Postgres for the session with a fresh migrated database a test, a Redis."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import count

import asyncpg
import pytest
from servers import RedisServer, postgres, redis
from sqlalchemy.ext.asyncio import AsyncEngine

from app.settings import Settings
from app.store.embedded import EmbeddedPostgres
from app.store.engine import create_engine
from app.store.migrate import upgrade

TEMPLATE = "migrated"
_numbers = count(1)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """The session's server, with the migrated template database."""
    with postgres() as server:
        asyncio.run(_make_template(server))
        yield server


async def _make_template(server: EmbeddedPostgres) -> None:
    await _execute(server.url, f"CREATE DATABASE {TEMPLATE}")
    await upgrade(database_url_of(server, TEMPLATE))


def database_url_of(server: EmbeddedPostgres, name: str) -> str:
    return server.url.replace("/postgres?", f"/{name}?", 1)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
async def empty_database_url(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """A database without any table."""
    async for url in _database(postgres_server, "template0"):
        yield url


@pytest.fixture
async def database_url(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """A fresh database at the newest migration; dropped after the test."""
    async for url in _database(postgres_server, TEMPLATE):
        yield url


@pytest.fixture
async def second_database_url(postgres_server: EmbeddedPostgres) -> AsyncIterator[str]:
    """Another one like `database_url`, to compare with."""
    async for url in _database(postgres_server, TEMPLATE):
        yield url


async def _database(server: EmbeddedPostgres, template: str) -> AsyncIterator[str]:
    name = f"test_{next(_numbers)}"
    await _execute(server.url, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
    yield database_url_of(server, name)
    await _execute(server.url, f"DROP DATABASE {name} WITH (FORCE)")


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
