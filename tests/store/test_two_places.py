"""One transaction in the blocks of two forks: stored once, and known to be missing where it is not."""

from typing import Any

import msgspec
import pytest
from dumps import dump
from factories import SLOT0, balance, trade
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.events import Event
from app.domain.programs import Commitment
from app.settings import Settings
from app.store.gaps import open_gaps
from app.store.writer import Writer
from app.store.writer_batch import Work


async def write(engine: AsyncEngine, *given: Work) -> None:
    async with Writer(engine, Settings(sol_usd="150.25"), source="test", is_simulated=False) as writer:
        for work in given:
            await writer.write(work)


def certain(event: Event, commitment: Commitment, **place: Any) -> Any:
    return msgspec.structs.replace(event, commitment=commitment, **place)


@pytest.mark.parametrize("level", [Commitment.PROCESSED, Commitment.CONFIRMED])
async def test_a_transaction_of_two_slots_of_one_batch_is_known_to_be_missing_when_the_one_that_was_taken_leaves(
    engine: AsyncEngine, level: Commitment
) -> None:
    here = trade(slot=SLOT0 + 1, commitment=level)
    there = certain(here, Commitment.PROCESSED, slot=SLOT0 + 2)
    await write(engine, Work([here, there]), Work(retracted=[SLOT0 + 1]))
    assert [gap.slots.first for gap in await open_gaps(engine)] == [SLOT0 + 2]


async def test_a_transaction_that_moved_is_known_to_be_missing_where_it_was_when_the_fork_turns_back(
    engine: AsyncEngine,
) -> None:
    here = trade(slot=SLOT0 + 1, commitment=Commitment.PROCESSED)
    there = certain(here, Commitment.CONFIRMED, slot=SLOT0 + 2)
    await write(engine, Work([here]), Work([there]), Work(retracted=[SLOT0 + 2]))
    assert [gap.slots.first for gap in await open_gaps(engine)] == [SLOT0 + 1]


async def test_balances_of_a_transaction_that_was_passed_over_are_not_taken(
    engine: AsyncEngine, database_url: str
) -> None:
    here = trade(slot=SLOT0 + 1)
    there = certain(here, here.commitment, slot=SLOT0 + 2)
    await write(engine, Work([here], [balance(here, here.trader, 5)]))
    before = await dump(database_url, ("token_accounts",))
    await write(engine, Work([there], [balance(there, there.trader, 7)]))
    assert await dump(database_url, ("token_accounts",)) == before
