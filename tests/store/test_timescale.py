"""What only TimescaleDB has. Needs a server with it: CURVECAST_TEST_TIMESCALE_URL, an empty database of its own."""

import os
from collections.abc import AsyncIterator

import asyncpg
import pytest
from factories import market
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.events import Trade
from app.settings import Settings
from app.store.engine import create_engine
from app.store.migrate import differences, upgrade
from app.store.writer import Writer
from app.store.writer_batch import Work

URL = os.environ.get("CURVECAST_TEST_TIMESCALE_URL", "")
pytestmark = pytest.mark.skipif(not URL, reason="no TimescaleDB: set CURVECAST_TEST_TIMESCALE_URL to an empty database")


@pytest.fixture
async def timescale() -> AsyncIterator[AsyncEngine]:
    await upgrade(URL)
    engine = create_engine(URL, Settings())
    yield engine
    await engine.dispose()


async def test_aggregates_count_the_same_trades_as_our_candles(timescale: AsyncEngine) -> None:
    events = [event for event, _ in market(seed=1, length=200)]
    async with Writer(timescale, Settings(), source="test", is_simulated=False) as writer:
        await writer.write(Work(events))
    connection = await asyncpg.connect(URL)
    trades = sum(isinstance(event, Trade) for event in events)
    for width in ("1m", "5m", "15m", "1h", "1d"):
        assert await connection.fetchval(f"SELECT sum(trades) FROM trades_cagg_{width}") == trades
    assert await connection.fetchval("SELECT sum(trades) FROM candles_1d") == trades
    chunks = await connection.fetchval("SELECT count(*) FROM show_chunks('trades')")
    await connection.close()
    assert chunks > 0


async def test_the_tables_are_the_same_as_on_plain_postgres(timescale: AsyncEngine) -> None:
    async with timescale.connect() as connection:
        assert await connection.run_sync(differences) == []
