"""Facts from accounts fill what no event told, and give way to what an event tells later."""

import itertools

import pytest
from dumps import dump
from factories import T0, address, completion, curve_of, launch, pool_of, pool_trade, trade
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.facts import TokenFacts, VenueFacts
from app.domain.programs import TradeProgram
from app.domain.records import Batch
from app.settings import Settings
from app.store.engine import create_engine
from app.store.facts import tokens_without_facts
from app.store.writer import Writer
from app.store.writer_batch import Work

SETTINGS = Settings(sol_usd="150.25")
MINT = address("mint")
CURVE = VenueFacts(
    address=curve_of(MINT),
    kind=TradeProgram.BONDING_CURVE,
    virtual_base_reserves=10**15,
    virtual_quote_reserves=40 * 10**9,
    real_base_reserves=7 * 10**14,
    real_quote_reserves=10**9,
)
FACTS = TokenFacts(
    mint=MINT,
    slot=1,
    name="Told by\x00 accounts",
    symbol="ACC",
    uri="https://example.org/a.json",
    creator=address("creator told by accounts"),
    decimals=9,
    total_supply=10**16,
    venues=(CURVE,),
)


async def write(engine: AsyncEngine, *works: Work) -> list[Batch]:
    async with Writer(engine, SETTINGS, source="test", is_simulated=False) as writer:
        return [(await writer.write(work)).batch for work in works]


async def test_a_token_met_in_mid_life_gets_its_name_creator_and_supply(engine: AsyncEngine) -> None:
    _, batch = await write(engine, Work([pool_trade()]), Work(facts=[FACTS]))
    (token,) = batch.tokens
    assert (token.name, token.symbol, token.creator) == ("Told by accounts", "ACC", address("creator told by accounts"))
    assert (token.total_supply, token.decimals) == (10**16, 6), "the trade told the decimals"
    assert await tokens_without_facts(engine, 10) == []


async def test_a_curve_without_any_trade_is_priced_by_its_account(engine: AsyncEngine) -> None:
    first, second = await write(engine, Work([completion()]), Work(facts=[FACTS]))
    assert first.tokens[0].price is None
    assert second.tokens[0].price is not None
    assert second.tokens[0].curve is not None
    assert second.tokens[0].curve.real_quote_reserves == 10**9
    assert second.tokens[0].decimals == 9


async def test_what_an_event_told_is_not_overwritten(engine: AsyncEngine) -> None:
    before, after = await write(engine, Work([launch(), trade(block_time=T0 + 1)]), Work(facts=[FACTS]))
    assert after.tokens == before.tokens


async def test_facts_of_a_token_that_is_not_stored_change_nothing(engine: AsyncEngine) -> None:
    (batch,) = await write(engine, Work(facts=[FACTS]))
    assert batch.tokens == ()


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
async def test_facts_and_events_in_any_order_end_with_the_same_tables(
    engine: AsyncEngine, database_url: str, second_database_url: str, order: tuple[int, ...]
) -> None:
    first = Work([completion(block_time=T0)])
    rest = [Work(facts=[FACTS]), Work([launch(name=None, block_time=T0 + 1)]), Work([trade(block_time=T0 + 2)])]
    await write(engine, first, *rest)
    other = create_engine(second_database_url, SETTINGS)
    await write(other, first, *(rest[number] for number in order))
    await other.dispose()
    assert await dump(second_database_url) == await dump(database_url)


async def test_tokens_with_something_open_are_listed_with_their_venues(engine: AsyncEngine) -> None:
    await write(engine, Work([launch(mint=address("told"))]), Work([pool_trade(creator=address("creator"))]))
    (token,) = await tokens_without_facts(engine, 10)
    assert (token.mint, [venue.address for venue in token.venues]) == (MINT, [pool_of(MINT)])
    assert await tokens_without_facts(engine, 10, before=token.token_id) == []
