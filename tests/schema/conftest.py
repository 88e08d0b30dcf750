"""Worlds that the schema is asked about."""

import pytest
from asking import Asked
from factories import market
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.cursors import Cursors
from app.settings import Settings
from app.store.identity import read_store_id


@pytest.fixture
async def store(engine: AsyncEngine) -> Asked:
    """An empty store where SOL is worth 150 dollars."""
    return Asked(engine, Cursors(await read_store_id(engine)), Settings(sol_usd="150"), [])


@pytest.fixture
async def world(store: Asked) -> Asked:
    """A store with a small market of four tokens: curves, completions, migrations, pools, one unseen launch."""
    story = market(seed=7, length=160)
    await store.write([each for each, _ in story], [balance for _, held in story for balance in held])
    return store
