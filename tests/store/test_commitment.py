"""How certain a record is: raised when it comes again more certain, final once its slot is."""

import random
from typing import Any

import msgspec
import pytest
from dumps import dump
from factories import SLOT0, T0, launch, market, migration, trade
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.events import Event
from app.domain.programs import Commitment
from app.domain.records import Batch
from app.settings import Settings
from app.store.engine import create_engine
from app.store.feed import read_batch, read_head
from app.store.writer import Writer
from app.store.writer_batch import Work

SETTINGS = Settings(sol_usd="150.25")
PROCESSED, CONFIRMED, FINALIZED = Commitment.PROCESSED, Commitment.CONFIRMED, Commitment.FINALIZED


async def write(engine: AsyncEngine, *works: Work) -> list[Batch]:
    async with Writer(engine, SETTINGS, source="test", is_simulated=False) as writer:
        return [(await writer.write(work)).batch for work in works]


async def read(engine: AsyncEngine) -> Batch:
    batch = await read_batch(engine, 0)
    assert batch is not None
    return batch


def again(event: Event, commitment: Commitment) -> Any:
    return msgspec.structs.replace(event, commitment=commitment)


@pytest.mark.parametrize("late", [CONFIRMED, FINALIZED])
async def test_a_trade_that_comes_again_more_certain_is_more_certain(engine: AsyncEngine, late: Commitment) -> None:
    early = trade(commitment=PROCESSED)
    _, second = await write(engine, Work([early]), Work([again(early, late)]))
    stored = await read(engine)
    assert [each.commitment for each in stored.trades] == [late]
    token = second.tokens[0]
    assert token.curve is not None
    assert (token.as_of.commitment, token.price_at.commitment, token.curve.as_of.commitment) == (late, late, late)
    assert stored.tokens == second.tokens


async def test_a_trade_that_comes_again_less_certain_stays_as_it_was(engine: AsyncEngine) -> None:
    early = trade(commitment=CONFIRMED)
    await write(engine, Work([early]), Work([again(early, PROCESSED)]))
    assert [each.commitment for each in (await read(engine)).trades] == [CONFIRMED]


async def test_a_launch_and_a_graduation_are_confirmed_too(engine: AsyncEngine) -> None:
    story: list[Event] = [launch(commitment=PROCESSED), migration(commitment=PROCESSED, block_time=T0 + 1)]
    first, _ = await write(engine, Work([*story]), Work([again(event, CONFIRMED) for event in story]))
    assert [each.commitment for each in first.graduations] == [PROCESSED]
    stored = await read(engine)
    assert [each.commitment for each in stored.graduations] == [CONFIRMED]
    assert stored.tokens[0].as_of.commitment is CONFIRMED


async def test_what_is_stored_is_final_once_its_slot_is(engine: AsyncEngine) -> None:
    old, young = trade(slot=SLOT0, commitment=PROCESSED), trade(slot=SLOT0 + 1, block_time=T0 + 1)
    graduated = migration(slot=SLOT0, commitment=CONFIRMED)
    await write(engine, Work([old, graduated, young]), Work(finalized_slot=SLOT0))
    stored = await read(engine)
    assert [each.commitment for each in stored.trades] == [FINALIZED, CONFIRMED]
    assert [each.commitment for each in stored.graduations] == [FINALIZED]
    assert stored.tokens[0].as_of.commitment is CONFIRMED
    assert stored.head.point.commitment is CONFIRMED
    await write(engine, Work(finalized_slot=SLOT0 + 1))
    assert (await read(engine)).tokens[0].as_of.commitment is FINALIZED
    head = await read_head(engine)
    assert head is not None
    assert head.point.commitment is FINALIZED


async def test_a_live_record_says_the_same_as_the_stored_one(engine: AsyncEngine) -> None:
    batch, _ = await write(
        engine,
        Work([launch(commitment=PROCESSED), trade(commitment=PROCESSED, block_time=T0 + 1)], finalized_slot=SLOT0),
        Work(),
    )
    stored = await read(engine)
    assert batch.trades == stored.trades
    assert batch.tokens == stored.tokens
    assert batch.trades[0].commitment is FINALIZED


async def test_a_trade_of_an_unknown_slot_is_as_certain_as_its_source_said(engine: AsyncEngine) -> None:
    await write(engine, Work([trade(slot=0)], finalized_slot=SLOT0))
    assert [each.commitment for each in (await read(engine)).trades] == [CONFIRMED]


@pytest.mark.parametrize("seed", range(2))
async def test_any_order_of_commitments_ends_with_the_same_tables(
    engine: AsyncEngine, database_url: str, second_database_url: str, seed: int
) -> None:
    dice = random.Random(seed)
    levels = [PROCESSED, CONFIRMED]
    story = [(again(event, level), held) for event, held in market(seed, 60) for level in levels]
    for url in (database_url, second_database_url):
        other = create_engine(url, SETTINGS)
        await write(
            other,
            *(
                Work([event for event, _ in part], [each for _, held in part for each in held])
                for part in (story[start : start + 9] for start in range(0, len(story), 9))
            ),
        )
        await other.dispose()
        dice.shuffle(story)
    assert await dump(database_url) == await dump(second_database_url)
