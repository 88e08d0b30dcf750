"""What the recordings become: domain events equal to the golden numbers, the same from logs as from self-CPI."""

from decimal import Decimal
from typing import Any

import pytest
from recorded import load, names, needs_recordings, raw

from app.domain.events import Launch, Migration, Trade
from app.domain.money import spot_price
from app.domain.programs import NATIVE_SOL, PUMP_FUN, PUMP_SWAP, WSOL, Commitment, Protocol, Side
from indexer.decoders import decode
from indexer.decoders.context import PoolMints
from indexer.decoders.pump_fun import curve_address
from indexer.parse import parse
from indexer.transaction import Transaction

pytestmark = needs_recordings()
TRADES = {"TradeEvent", "BuyEvent", "SellEvent", "EvtSwap"}
DOMAIN = TRADES | {
    "CreateEvent",
    "CompleteEvent",
    "CompletePumpAmmMigrationEvent",
    "CreatePoolEvent",
    "EvtInitializePool",
}

WITH_LOGS = [n for n in names("transactions") if load("transactions", n)["meta"]["logMessages"]]


def landed(name: str) -> Transaction:
    (transaction,) = parse(raw("transactions", name)).transactions
    return transaction


def golden_events(name: str) -> list[dict[str, Any]]:
    """Those of the self-CPI, which is the truth."""
    return [e for e in load("golden", f"tx__{name}")["events"] if e["found"]["in"] == "self-cpi"]


@pytest.mark.parametrize("name", names("transactions"))
def test_every_golden_event_becomes_one_domain_event_and_nothing_else_does(name: str) -> None:
    decoded = decode(landed(name))

    assert decoded.failures == ()
    golden = [e["event"] for e in golden_events(name) if e["event"] in DOMAIN]
    migrated = [i for i in load("golden", f"tx__{name}")["instructions"] if i["name"] == "migration_damm_v2"]
    assert len(decoded.events) == len(golden) + len(migrated)


@pytest.mark.parametrize("name", names("transactions"))
def test_every_trade_has_the_golden_numbers(name: str) -> None:
    trades = [e for e in decode(landed(name)).events if isinstance(e, Trade)]
    golden = [e for e in golden_events(name) if e["event"] in TRADES]

    assert len(trades) == len(golden)
    for trade, event in zip(trades, golden, strict=True):
        assert EXPECTED[event["event"]](event["fields"]) == {
            field: getattr(trade, field) for field in EXPECTED[event["event"]](event["fields"])
        }


def _of_curve(fields: dict[str, Any]) -> dict[str, Any]:
    of = "quote" if "quote_mint" in fields else "sol"
    quote = fields.get("quote_mint", WSOL)
    return {
        "mint": fields["mint"],
        "quote_mint": WSOL if quote == NATIVE_SOL else quote,
        "base_amount": int(fields["token_amount"]),
        "quote_amount": int(fields[f"{of}_amount"]),
        "side": Side.BUY if fields["is_buy"] else Side.SELL,
        "trader": fields["user"],
        "block_time": int(fields["timestamp"]),
        "virtual_base_reserves": int(fields["virtual_token_reserves"]),
        "virtual_quote_reserves": int(fields[f"virtual_{of}_reserves"]),
        "venue": curve_address(fields["mint"]),
    }


def _of_buy(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "venue": fields["pool"],
        "side": Side.BUY,
        "base_amount": int(fields["base_amount_out"]),
        "quote_amount": int(fields["quote_amount_in"]),
        "trader": fields["user"],
    }


def _of_sell(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "venue": fields["pool"],
        "side": Side.SELL,
        "base_amount": int(fields["base_amount_in"]),
        "quote_amount": int(fields["quote_amount_out"]),
        "trader": fields["user"],
    }


def _of_dbc(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "venue": fields["pool"],
        "config": fields["config"],
        "side": Side.BUY if fields["trade_direction"] == "1" else Side.SELL,
        "sqrt_price": int(fields["swap_result"]["next_sqrt_price"]),
        "fee": sum(int(fields["swap_result"][f]) for f in ("trading_fee", "protocol_fee", "referral_fee")),
    }


EXPECTED = {"TradeEvent": _of_curve, "BuyEvent": _of_buy, "SellEvent": _of_sell, "EvtSwap": _of_dbc}


@pytest.mark.parametrize("name", WITH_LOGS)
def test_identity_from_logs_is_that_from_self_cpi(name: str) -> None:
    """On every recording that has both; where the log is truncated, on what it still holds."""
    source = landed(name)
    logs = load("transactions", name)["meta"]["logMessages"]
    pools = {e.venue: PoolMints(e.mint, e.quote_mint, e.base_decimals, e.quote_decimals) for e in _swaps(source)}
    logged = Transaction(
        signature=source.signature,
        slot=source.slot,
        transaction_index=None,
        block_time=None,
        commitment=Commitment.FINALIZED,
        failed=False,
        logs=tuple(logs),
        is_partial=True,
    )

    told = {e.identity: (type(e), e.block_time) for e in decode(logged, pools).events}

    true = {e.identity: (type(e), e.block_time) for e in decode(source).events if e.program.program_id in LOGGED}
    assert told.items() <= true.items()
    if not load("golden", f"tx__{name}")["log_truncated"]:
        assert told == true


LOGGED = {PUMP_FUN, PUMP_SWAP}


def _swaps(source: Transaction) -> list[Trade]:
    return [e for e in decode(source).events if isinstance(e, Trade) and e.program is Protocol.PUMP_SWAP]


@pytest.mark.parametrize("name", names("transactions"))
def test_reserves_after_a_pumpswap_trade_are_what_the_pool_holds_then(name: str) -> None:
    """By the transaction's own token balances: so the LP fee stays, and the other fees go."""
    source = landed(name)
    for trade in _swaps(source)[-1:]:
        held = {b.mint: b.amount for b in source.post_balances if b.owner == trade.venue}
        assert (trade.real_base_reserves, trade.real_quote_reserves) == (held[trade.mint], held[trade.quote_mint])


def test_a_dbc_price_is_its_sqrt_price_squared() -> None:
    (trade,) = decode(landed("5wd3XQuCzZ12.json")).events
    assert isinstance(trade, Trade)

    spot = spot_price(None, None, trade.sqrt_price, trade.quote_decimals, trade.base_decimals)

    paid = Decimal(trade.quote_amount) / Decimal(trade.base_amount) / 1000
    assert spot is not None
    assert abs(spot / paid - 1) < Decimal("0.05")


def test_the_first_launches_say_name_and_creator() -> None:
    (launch, *_) = decode(landed("5hsqkSAZ9qcF.json")).events

    assert isinstance(launch, Launch)
    assert (launch.name, launch.symbol, launch.total_supply) == ("Fuck Around Find Out", "FAFO", 10**15)
    assert (launch.base_decimals, launch.quote_mint, launch.quote_decimals) == (6, WSOL, 9)


def test_a_damm_migration_names_its_pool() -> None:
    (migration,) = decode(landed("4hhaf2y5mTNM.json")).events

    assert isinstance(migration, Migration)
    assert migration.to_program is Protocol.METEORA_DAMM_V2
    assert migration.pool == "3x9G9Cpi33HvAxreN1KMiqqCtybXC8uyj3myAKTCuKV9"


def test_point_7_a_version_1_transaction_is_decoded() -> None:
    (trade,) = decode(landed("4b5YwBKdr54i.json")).events

    assert isinstance(trade, Trade)
    assert trade.priority_fee == 1_000


def test_point_9_a_blocksubscribe_element_without_slot_and_time_has_the_events_time() -> None:
    launch, trade = decode(landed("5EDHe12KqokK.json")).events

    assert (launch.slot, launch.block_time, trade.block_time) == (0, 1785328607, 1785328607)


@pytest.mark.parametrize("name", names("logs"))
def test_a_pumpswap_trade_of_a_logs_notification_waits_for_its_pool_and_all_else_is_read(name: str) -> None:
    (transaction,) = parse(raw("logs", name)).transactions
    golden = load("golden", f"logs__{name}")["events"]
    swaps = [e for e in golden if e["event"] in ("BuyEvent", "SellEvent")]

    decoded = decode(transaction)

    assert [f.cause for f in decoded.failures] == ["pool mints unknown"] * len(swaps)
    assert len(decoded.events) == len([e for e in golden if e["event"] in DOMAIN]) - len(swaps)
