"""The simulated market: real wire format, the programs' own arithmetic, the same bytes for the same seed."""

import io
import time
from collections import Counter
from itertools import pairwise

import msgspec
import pytest

from app.domain.arithmetic import BPS, POOL_FEE_TIERS, curve_cost, curve_proceeds, fee_of, pool_cost, pool_fee_bps
from app.domain.events import Completion, Event, Launch, Migration, PoolCreation, Trade
from app.domain.programs import Protocol, Side
from app.errors import InvalidInput
from indexer.base58 import is_signature
from indexer.decoders import PROGRAMS, decode
from indexer.parse import parse
from indexer.recordings import write_recording
from indexer.sources import Delivery, simulate
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


async def test_a_market_resumed_from_any_state_goes_on_with_the_same_transactions(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(simulate, "_SNAPSHOT_SECONDS", -1.0)  # a state with every slot
    whole = await deliveries(market(rate=2_000, tokens=25, count=TRADES))
    states = [at for at, delivery in enumerate(whole) if delivery.state]
    assert len(states) > 20
    for at in (states[0], states[len(states) // 2], states[-2]):
        rest = await deliveries(market(rate=2_000, tokens=25, count=TRADES), whole[at].state)
        assert [each.transactions for each in rest] == [each.transactions for each in whole[at + 1 :]]
        assert rest[-1].state == whole[-1].state


async def test_a_market_goes_on_from_the_state_of_one_with_more_or_fewer_tokens() -> None:
    state = (await deliveries(market(tokens=30, count=1_000)))[-1].state
    for tokens in (10, 60):
        rest = await deliveries(market(tokens=tokens, count=3_000), state)
        left = msgspec.msgpack.decode(rest[-1].state, type=simulate.Snapshot)
        assert len(left.tokens) == tokens
        assert left.trades == 3_000


async def test_what_is_recorded_of_a_market_reads_back_as_the_same_transactions(world: list[Transaction]) -> None:
    for transaction in world[:2_000] + world[-6_000:]:
        out = io.BytesIO()
        write_recording(out, [transaction])
        (read,) = parse(out.getvalue()).transactions
        if transaction.failed:  # of which the reader keeps no more than that it was
            assert (read.signature, read.failed) == (transaction.signature, True)
        else:
            assert read == transaction


def test_signatures_are_64_bytes_each_its_own_and_differ_from_the_first_to_the_last_character(
    world: list[Transaction],
) -> None:
    signatures = [each.signature for each in world]
    assert all(is_signature(each) for each in signatures)
    assert len(set(signatures)) == len(signatures)
    assert {each[0] for each in signatures} == set("2345")
    assert len({each[-1] for each in signatures}) == 58


def test_a_transaction_names_every_account_once_and_its_payer_first(world: list[Transaction]) -> None:
    for transaction in world:
        accounts = set(transaction.accounts)
        assert len(accounts) == len(transaction.accounts)
        assert "" not in accounts
        assert accounts.issuperset(account for each in transaction.instructions for account in each.accounts)
        assert accounts.issuperset(each.program for each in transaction.instructions)
        assert accounts.issuperset(each.account for each in transaction.post_balances)
        if not transaction.failed:
            traders = [event.trader for event in decode(transaction).events if isinstance(event, Trade)]
            assert set(traders) <= {transaction.accounts[0]}


def test_the_balance_of_a_trader_is_what_the_trades_left(world: list[Transaction]) -> None:
    held: Counter[tuple[str, str]] = Counter()
    for transaction in world:
        for event in decode(transaction).events:
            if isinstance(event, Trade):
                sign = 1 if event.side is Side.BUY else -1
                held[event.trader, event.mint] += sign * event.base_amount
        for balance in transaction.post_balances:
            if (balance.owner, balance.mint) in held:
                assert balance.amount == held[balance.owner, balance.mint]
    assert len(held) > 1_000


async def test_a_market_keeps_its_rate_while_busy_tokens_await_their_migration(world: list[Transaction]) -> None:
    landed = Counter(each.slot for each in world if not each.failed)
    busy = [landed[slot] for slot in sorted(landed)[1:-1]]
    assert min(busy) >= 2_000 / simulate.SLOTS_PER_SECOND


async def test_a_fast_market_begins_with_little_past() -> None:
    source = SimulateSource(rate=50_000, tokens=20, count=10, paced=False)
    first = (await deliveries(source))[0].transactions[0]
    assert first.block_time is not None
    assert time.time() - first.block_time < 10


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


def test_a_pool_takes_the_fees_of_its_tier_from_the_bound_on() -> None:
    for (lower, fees), (upper, _) in pairwise(POOL_FEE_TIERS):
        assert pool_fee_bps(lower) == pool_fee_bps(upper - 1) == fees
    assert pool_fee_bps(10**9) == POOL_FEE_TIERS[-1][1]
    assert [fee_of(amount, 30) for amount in (0, 1, BPS, BPS + 1)] == [0, 1, 30, 31]


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
