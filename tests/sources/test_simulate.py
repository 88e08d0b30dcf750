"""The simulated market: real wire format, the programs' own arithmetic, the same bytes for the same seed."""

from collections import Counter

import pytest

from app.domain.arithmetic import curve_cost, curve_proceeds, fee_of, pool_cost
from app.domain.events import Completion, Event, Launch, Migration, PoolCreation, Trade
from app.domain.programs import Protocol, Side
from app.errors import InvalidInput
from indexer.decoders import PROGRAMS, decode
from indexer.sources import Delivery
from indexer.sources.simulate import SimulateSource
from indexer.transaction import Transaction

STARTED = 1_790_000_000
TRADES = 25_000


def market(*, seed: int = 1, rate: float = 1_000, tokens: int = 30, count: int = 6_000) -> SimulateSource:
    return SimulateSource(seed=seed, rate=rate, tokens=tokens, count=count, started=STARTED, paced=False)


async def deliveries(source: SimulateSource, state: bytes | None = None) -> list[Delivery]:
    return [delivery async for delivery in source.stream(state)]


async def transactions(source: SimulateSource) -> list[Transaction]:
    return [each for delivery in await deliveries(source) for each in delivery.transactions]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def world() -> list[Transaction]:
    """Long enough for completions and migrations."""
    return await transactions(market(rate=2_000, tokens=25, count=TRADES))


@pytest.fixture(scope="module")
def events(world: list[Transaction]) -> list[Event]:
    return [event for transaction in world for event in decode(transaction).events]


async def test_the_same_seed_gives_the_same_transactions_and_another_seed_gives_others() -> None:
    first, second, other = [await transactions(market(seed=seed)) for seed in (1, 1, 2)]
    assert first == second
    assert not {each.signature for each in first} & {each.signature for each in other}


async def test_a_market_resumed_from_any_state_goes_on_with_the_same_transactions() -> None:
    whole = await transactions(market(count=3_000))
    half = await deliveries(market(count=1_500))
    state = half[-1].state
    assert state, "the last delivery of a finite market carries its state"
    rest = await deliveries(market(count=3_000), state)
    first = [each.signature for delivery in half for each in delivery.transactions]
    second = [each.signature for delivery in rest for each in delivery.transactions]
    assert len(set(first) & set(second)) == 0
    assert len(first) + len(second) == pytest.approx(len(whole), rel=0.02)


async def test_a_market_of_n_trades_holds_n_trades(events: list[Event]) -> None:
    # A launch may carry the creator's first buy, which is a trade beside the counted ones.
    launches = sum(isinstance(each, Launch) and each.program is Protocol.PUMP_FUN for each in events)
    trades = sum(isinstance(each, Trade) for each in events)
    assert TRADES <= trades <= TRADES + launches


def test_every_transaction_decodes_and_failed_ones_yield_nothing(world: list[Transaction]) -> None:
    decoded = [(each, decode(each)) for each in world]
    assert [failure for _, result in decoded for failure in result.failures] == []
    assert any(each.failed for each in world)
    assert all(not result.events for each, result in decoded if each.failed)


def test_a_market_holds_every_kind_of_event_of_all_three_programs(events: list[Event]) -> None:
    kinds = {(type(each), each.program) for each in events}
    assert {
        (Launch, Protocol.PUMP_FUN),
        (Launch, Protocol.METEORA_DBC),
        (Trade, Protocol.PUMP_FUN),
        (Trade, Protocol.PUMP_SWAP),
        (Trade, Protocol.METEORA_DBC),
        (Completion, Protocol.PUMP_FUN),
        (Migration, Protocol.PUMP_FUN),
        (PoolCreation, Protocol.PUMP_SWAP),
    } <= kinds


def test_curve_trades_follow_pumps_arithmetic_to_the_lamport(events: list[Event]) -> None:
    reserves: dict[str, tuple[int, int]] = {}
    checked = 0
    for event in events:
        if isinstance(event, Launch) and event.program is Protocol.PUMP_FUN:
            assert event.virtual_quote_reserves is not None
            assert event.virtual_base_reserves is not None
            reserves[event.mint] = (event.virtual_quote_reserves, event.virtual_base_reserves)
        if not isinstance(event, Trade) or event.program is not Protocol.PUMP_FUN:
            continue
        quote, base = reserves[event.mint]
        if event.side is Side.BUY:
            assert event.quote_amount == curve_cost(event.base_amount, quote, base)
            after = (quote + event.quote_amount, base - event.base_amount)
        else:
            assert event.quote_amount == curve_proceeds(event.base_amount, quote, base)
            after = (quote - event.quote_amount, base + event.base_amount)
        assert (event.virtual_quote_reserves, event.virtual_base_reserves) == after
        assert event.fee == fee_of(event.quote_amount, 95) + fee_of(event.quote_amount, 30)
        reserves[event.mint] = after
        checked += 1
    assert checked > 10_000


def test_pool_trades_follow_pumpswaps_arithmetic_to_the_lamport(events: list[Event]) -> None:
    reserves: dict[str, tuple[int, int]] = {}
    checked = 0
    for event in events:
        if isinstance(event, PoolCreation):
            reserves[event.pool] = (event.quote_reserves, event.base_reserves)
        if not isinstance(event, Trade) or event.program is not Protocol.PUMP_SWAP:
            continue
        quote, base = reserves[event.venue]
        assert event.virtual_quote_reserves is not None
        assert event.virtual_base_reserves is not None
        if event.side is Side.BUY:
            assert event.quote_amount == pool_cost(event.base_amount, quote, base)
            assert event.virtual_base_reserves == base - event.base_amount
            assert event.virtual_quote_reserves >= quote + event.quote_amount
        else:
            assert event.quote_amount == curve_proceeds(event.base_amount, quote, base)
            assert event.virtual_base_reserves == base + event.base_amount
        reserves[event.venue] = (event.virtual_quote_reserves, event.virtual_base_reserves)
        checked += 1
    assert checked > 100


def test_a_token_completes_when_its_curve_is_sold_out_and_then_graduates_once(events: list[Event]) -> None:
    left: dict[str, int | None] = {}
    graduated: Counter[str] = Counter()
    for event in events:
        if isinstance(event, Trade) and event.program is Protocol.PUMP_FUN:
            assert event.mint not in graduated, "no curve trade after graduation"
            left[event.mint] = event.real_base_reserves
        if isinstance(event, Completion) and event.program is Protocol.PUMP_FUN:
            assert left[event.mint] == 0
        if isinstance(event, Migration) and event.program is Protocol.PUMP_FUN:
            assert left[event.mint] == 0
            graduated[event.mint] += 1
    assert graduated
    assert set(graduated.values()) == {1}


def test_event_bytes_are_those_that_the_official_layout_writes(world: list[Transaction]) -> None:
    seen: Counter[str] = Counter()
    for transaction in world[:8_000] + world[-8_000:]:
        for instruction in transaction.instructions:
            program = PROGRAMS.get(instruction.program)
            if program is None or not instruction.data.startswith(bytes.fromhex("e445a52e51cb9a1d")):
                continue
            payload = instruction.data[8:]
            layout = program.idl.events[payload[:8]]
            prefix = layout.decode(payload)
            assert prefix.trailing == b""
            assert prefix.missing == ()
            assert layout.encode(prefix.fields) == payload
            seen[layout.name] += 1
    assert {"TradeEvent", "CreateEvent", "BuyEvent", "SellEvent", "EvtSwap", "EvtSwap2"} <= set(seen)


def test_few_tokens_have_most_of_the_trades(events: list[Event]) -> None:
    counts = Counter(each.mint for each in events if isinstance(each, Trade))
    ranked = [count for _, count in counts.most_common()]
    assert sum(ranked[: len(ranked) // 10]) > sum(ranked) / 2


@pytest.mark.parametrize("wrong", [{"rate": 0.0}, {"rate": 50_001.0}, {"tokens": 0}])
def test_a_rate_or_size_that_cannot_be_is_refused_with_what_can(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="must be"):
        SimulateSource(**wrong)  # type: ignore[arg-type]
