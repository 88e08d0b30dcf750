"""Migrations: from nothing to the newest, at once from several processes, and equal to the tables."""

import asyncio

import asyncpg
import pytest
from dumps import TABLES, dump
from factories import market
from migrating import go_down, go_up
from servers import free_port
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import StartupError
from app.settings import Settings
from app.store.engine import check, create_engine
from app.store.migrate import differences, needs_upgrade, upgrade
from app.store.writer import Writer
from app.store.writer_batch import Work


async def test_the_migrations_make_exactly_the_tables_that_are_declared(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_column_that_no_migration_makes_is_found(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("ALTER TABLE tokens DROP COLUMN symbol"))
        assert "symbol" in str(await connection.run_sync(differences))


async def test_three_processes_may_migrate_the_same_empty_database_at_once(empty_database_url: str) -> None:
    lines: list[str] = []
    await asyncio.gather(*(upgrade(empty_database_url, lines.append) for _ in range(3)))
    assert len([line for line in lines if line.startswith("0001")]) == 1


async def test_an_empty_database_needs_an_upgrade_and_a_migrated_one_does_not(
    empty_database_url: str, engine: AsyncEngine
) -> None:
    empty = create_engine(empty_database_url, Settings())
    assert await needs_upgrade(empty)
    await empty.dispose()
    assert not await needs_upgrade(engine)


async def test_every_migration_can_be_taken_back_and_the_later_ones_keep_what_is_stored(
    engine: AsyncEngine, database_url: str
) -> None:
    async with Writer(engine, Settings(), source="test", is_simulated=False) as writer:
        await writer.write(Work([event for event, _ in market(seed=1, length=60)]))
    kept = tuple(table for table in TABLES if table != "milestones")  # the first version did not know where they were
    stored = await dump(database_url, kept)
    await go_down(engine, "0001")
    await go_up(engine)
    assert await dump(database_url, kept) == stored
    await go_down(engine, "base")
    await go_up(engine)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_each_store_has_its_own_id(database_url: str, empty_database_url: str) -> None:
    await upgrade(empty_database_url)
    ids = set()
    for url in (database_url, empty_database_url):
        connection = await asyncpg.connect(url)
        ids.add(await connection.fetchval("SELECT value FROM meta WHERE key = 'store_id'"))
        await connection.close()
    assert len(ids) == 2


@pytest.mark.parametrize(
    "url",
    ["postgresql://somebody:secret@127.0.0.1:{port}/name", "postgresql://x@/name?host=/no/such/folder", "nonsense"],
)
async def test_an_unreachable_database_is_one_clear_line_without_the_password(url: str) -> None:
    with pytest.raises(StartupError) as refused:
        await check(url.format(port=free_port()))
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "CURVECAST_DATABASE_URL" in str(refused.value)
