"""One event in the blocks of two forks: stored once, and known to be missing where it is not."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from dumps import dump
from factories import SLOT0, T0, address, balance, completion, launch, signature, trade
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.events import Event
from app.domain.programs import Commitment
from app.domain.slots import SlotRange
from app.settings import Settings
from app.store.gaps import open_gaps
from app.store.tables import tokens
from app.store.writer import Writer
from app.store.writer_batch import Work

MINT = address("mint")


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


@pytest.mark.parametrize("of", [launch, completion])
@pytest.mark.parametrize("is_restarted", [False, True])
async def test_another_launch_of_a_mint_on_another_fork_is_known_to_be_missing_when_the_stored_one_leaves(
    engine: AsyncEngine, of: Callable[..., Event], is_restarted: bool
) -> None:
    here, there = two_forks(of, Commitment.CONFIRMED)
    await write(engine, Work([here]), Work([there]), *([] if is_restarted else [Work(retracted=[SLOT0 + 1])]))
    if is_restarted:
        await write(engine, Work(retracted=[SLOT0 + 1]))
    assert await told(engine) == []
    assert [gap.slots.first for gap in await open_gaps(engine)] == [SLOT0 + 2]
    await write(engine, Work([there], complete=[SlotRange(SLOT0 + 2, SLOT0 + 2)]))
    assert await told(engine) == [T0 + 2]
    assert await open_gaps(engine) == []


@pytest.mark.parametrize("of", [launch, completion])
async def test_the_more_certain_of_two_launches_of_a_mint_takes_the_place_of_the_other(
    engine: AsyncEngine, of: Callable[..., Event]
) -> None:
    here, there = two_forks(of, Commitment.PROCESSED)
    certain_there = certain(there, Commitment.CONFIRMED)
    await write(engine, Work([here]), Work([there]), Work([certain_there]))
    assert await told(engine) == [T0 + 2]
    await write(engine, Work(retracted=[SLOT0 + 2]))
    assert await told(engine) == []
    assert [gap.slots.first for gap in await open_gaps(engine)] == [SLOT0 + 1]


def two_forks(of: Callable[..., Event], level: Commitment) -> tuple[Event, Event]:
    """Two launches, or completions, of one mint by different transactions."""
    return (
        of(slot=SLOT0 + 1, block_time=T0 + 1, commitment=level),
        of(slot=SLOT0 + 2, block_time=T0 + 2, commitment=level, signature=signature("on the other fork")),
    )


async def told(engine: AsyncEngine) -> list[int]:
    """When the token was launched or completed, if it was."""
    query = select(func.coalesce(tokens.c.completed_at, tokens.c.created_at)).where(tokens.c.mint == MINT)
    async with engine.connect() as connection:
        return [int(row[0].timestamp()) for row in await connection.execute(query)]


async def test_a_transaction_that_was_passed_over_is_known_to_be_missing_also_after_a_restart(
    engine: AsyncEngine,
) -> None:
    here = trade(slot=SLOT0 + 1)
    await write(engine, Work([here]), Work([certain(here, here.commitment, slot=SLOT0 + 2)]))
    await write(engine, Work([trade(slot=SLOT0 + 3)]), Work(retracted=[SLOT0 + 3]))
    await write(engine, Work(retracted=[SLOT0 + 1]))
    assert [gap.slots.first for gap in await open_gaps(engine)] == [SLOT0 + 2]


async def test_balances_of_a_transaction_that_was_passed_over_are_not_taken(
    engine: AsyncEngine, database_url: str
) -> None:
    here = trade(slot=SLOT0 + 1)
    there = certain(here, here.commitment, slot=SLOT0 + 2)
    await write(engine, Work([here], [balance(here, here.trader, 5)]))
    before = await dump(database_url, ("token_accounts",))
    await write(engine, Work([there], [balance(there, there.trader, 7)]))
    assert await dump(database_url, ("token_accounts",)) == before
