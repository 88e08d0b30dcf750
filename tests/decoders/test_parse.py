"""Every form of recording is read without being told which, and what is none is said why."""

import json
from base64 import b64encode
from typing import Any

import pytest
from chain import MINT, POOL, SIGNATURE, TIME, key, pump_log, pump_trade, swap_buy, swap_call
from recorded import load, names, needs_recordings, raw
from solders.hash import Hash
from solders.instruction import CompiledInstruction
from solders.message import Message, MessageAddressTableLookup, MessageHeader, MessageV0
from solders.pubkey import Pubkey
from solders.signature import Signature
from solders.transaction import VersionedTransaction

from app.domain.events import TokenBalance, Trade
from app.domain.programs import PUMP_FUN, PUMP_SWAP, TOKEN_2022, WSOL, Commitment
from indexer import base58
from indexer.decoders import decode
from indexer.decoders.anchor import SELF_CPI
from indexer.layouts.pump import PUMP
from indexer.parse import parse
from indexer.transaction import Transaction

BUY = PUMP.instruction("buy").encode({"amount": 1, "max_sol_cost": 2})
KEYS = [key(1), key(2), PUMP_FUN, key(99), MINT, key(5)]
"""Payer, token account, program, event authority, mint, and one that a lookup table brings."""
MESSAGE = {
    "header": {"numRequiredSignatures": 1, "numReadonlySignedAccounts": 0, "numReadonlyUnsignedAccounts": 2},
    "accountKeys": KEYS[:5],
    "instructions": [{"programIdIndex": 2, "accounts": [0, 5, 4], "data": base58.encode(BUY), "stackHeight": None}],
    "recentBlockhash": key(9),
}


def meta(payload: bytes, **fields: Any) -> dict[str, Any]:
    """The meta of a transaction whose first instruction emits an event."""
    called = {"programIdIndex": 2, "accounts": [3], "data": base58.encode(SELF_CPI + payload), "stackHeight": 2}
    amount = {"amount": "1000", "decimals": 6}
    defaults = {
        "err": None,
        "fee": 6_000,
        "computeUnitsConsumed": 77,
        "innerInstructions": [{"index": 0, "instructions": [called]}],
        "logMessages": list(pump_log(payload)),
        "preTokenBalances": [{"accountIndex": 4, "mint": MINT, "owner": key(7), "uiTokenAmount": amount}],
        "postTokenBalances": [{"accountIndex": 1, "mint": MINT, "owner": key(8), "uiTokenAmount": amount}],
        "loadedAddresses": {"writable": [KEYS[5]], "readonly": []},
    }
    return {**defaults, **fields}


def document(payload: bytes = b"", **fields: Any) -> dict[str, Any]:
    """A getTransaction result in `json` encoding."""
    payload = payload or pump_trade()
    signed = {"signatures": [SIGNATURE], "message": MESSAGE}
    defaults = {"slot": 5, "blockTime": TIME, "transactionIndex": 3, "transaction": signed, "meta": meta(payload)}
    return {**defaults, **fields}


def read(form: Any, commitment: Commitment = Commitment.FINALIZED) -> Transaction:
    parsed = parse(json.dumps(form).encode(), commitment)
    assert parsed.unreadable == ()
    (transaction,) = parsed.transactions
    return transaction


def refused(form: Any) -> str:
    parsed = parse(json.dumps(form).encode())
    assert parsed.transactions == ()
    (why,) = parsed.unreadable
    return why


def wire(version: int) -> bytes:
    """The same message in wire bytes; legacy and v0 by solders, which is not under test."""
    called = [CompiledInstruction(2, BUY, bytes([0, 5, 4]))]
    header, keys, blockhash = MessageHeader(1, 0, 2), [Pubkey.from_string(k) for k in KEYS[:5]], Hash.default()
    signatures = [Signature.from_string(SIGNATURE)]
    if version == 0:
        looked = [MessageAddressTableLookup(Pubkey.from_string(key(6)), bytes([1]), b"")]
        return bytes(VersionedTransaction.populate(MessageV0(header, keys, blockhash, called, looked), signatures))
    legacy = Message.new_with_compiled_instructions(1, 0, 2, keys, blockhash, called)
    return bytes(VersionedTransaction.populate(legacy, signatures))


def wire_v1(*, mask: int = 0b111) -> bytes:
    """By SIMD-0385: 0x81, header, config mask, lifetime, counts, addresses, config, headers, payloads, signatures."""
    accounts = bytes([0, 1, 4])
    return b"".join(
        (
            bytes([0x81, 1, 0, 2]),
            mask.to_bytes(4, "little"),
            bytes(32),
            bytes([1, 5]),
            *(bytes(Pubkey.from_string(k)) for k in KEYS[:5]),
            bytes(4 * mask.bit_count()),
            bytes([2, len(accounts)]) + len(BUY).to_bytes(2, "little"),
            accounts,
            BUY,
            bytes(Signature.from_string(SIGNATURE)),
        )
    )


def test_a_json_transaction_is_read_with_its_lookup_table_addresses() -> None:
    transaction = read(document())

    assert (transaction.signature, transaction.slot, transaction.transaction_index) == (SIGNATURE, 5, 3)
    assert (transaction.block_time, transaction.fee, transaction.compute_units) == (TIME, 6_000, 77)
    assert transaction.accounts == tuple(KEYS)
    assert [i.accounts for i in transaction.instructions] == [(KEYS[0], KEYS[5], KEYS[4]), (KEYS[3],)]
    assert [i.stack_height for i in transaction.instructions] == [1, 2]
    assert not transaction.is_partial


def test_balances_are_those_after_and_an_emptied_account_holds_nothing() -> None:
    assert read(document()).post_balances == (
        TokenBalance(KEYS[1], MINT, key(8), 1000, 6),
        TokenBalance(KEYS[4], MINT, key(7), 0, 6),
    )


def test_a_json_rpc_envelope_and_a_bare_result_are_the_same() -> None:
    assert read({"jsonrpc": "2.0", "id": 1, "result": document()}) == read(document())


def test_a_parsed_transaction_equals_the_compiled_one() -> None:
    parsed = {
        "signatures": [SIGNATURE],
        "message": {
            **MESSAGE,
            "accountKeys": [{"pubkey": k, "signer": i == 0, "writable": True} for i, k in enumerate(KEYS)],
            "instructions": [
                {"programId": PUMP_FUN, "accounts": [KEYS[0], KEYS[5], KEYS[4]], "data": base58.encode(BUY)}
            ],
        },
    }
    inner = {"programId": PUMP_FUN, "accounts": [KEYS[3]], "data": base58.encode(SELF_CPI + pump_trade())}
    system = {"program": "system", "programId": key(0), "parsed": {"type": "transfer", "info": {}}}
    groups = [{"index": 0, "instructions": [system, {**inner, "stackHeight": 2}]}]

    form = document(transaction=parsed, meta=meta(pump_trade(), innerInstructions=groups))

    assert read(form) == read(document())


@pytest.mark.parametrize("version", [0, None], ids=["v0", "legacy"])
def test_a_base64_transaction_equals_the_json_one(version: int | None) -> None:
    data = wire(0) if version == 0 else wire(-1)

    form = document(transaction=[b64encode(data).decode(), "base64"])

    assert read(form) == read(document())


def test_a_version_1_transaction_in_base64_is_read() -> None:
    form = document(
        transaction=[b64encode(wire_v1()).decode(), "base64"],
        version=1,
        meta=meta(pump_trade(), loadedAddresses={"writable": [], "readonly": []}),
    )

    transaction = read(form)

    assert (transaction.signature, transaction.accounts) == (SIGNATURE, tuple(KEYS[:5]))
    assert transaction.instructions[0].data == BUY
    assert len(decode(transaction).events) == 1


@pytest.mark.parametrize("text", [lambda t: [t, "base58"], lambda t: t])
def test_a_base58_transaction_is_read(text: Any) -> None:
    assert read(document(transaction=text(base58.encode(wire(0))))) == read(document())


@pytest.mark.parametrize("cut", [1, 60, 66, 100, 200])
def test_a_wire_transaction_cut_short_says_so(cut: int) -> None:
    for data in (wire(0), wire_v1()):
        why = refused(document(transaction=[b64encode(data[:cut]).decode(), "base64"]))
        assert "cut short" in why


def test_a_block_gives_its_transactions_with_their_index() -> None:
    element = {name: value for name, value in document().items() if name in ("transaction", "meta")}
    failed = {**element, "meta": meta(pump_trade(), err={"InstructionError": [0, "Custom"]})}
    block = {"blockTime": TIME, "blockhash": key(1), "parentSlot": 4, "transactions": [failed, element]}

    transactions = parse(json.dumps({"jsonrpc": "2.0", "result": block}).encode()).transactions

    assert [(t.transaction_index, t.block_time, t.failed) for t in transactions] == [(0, TIME, True), (1, TIME, False)]
    assert [t.slot for t in transactions] == [0, 0]  # getBlock does not say its own slot.


def test_one_unreadable_transaction_of_a_block_costs_the_others_nothing() -> None:
    accounts_only = {"transaction": {"accountKeys": [], "signatures": [SIGNATURE]}, "meta": meta(pump_trade())}
    block = {"transactions": [accounts_only, document(), {"transaction": 5}], "slot": 9}

    parsed = parse(json.dumps(block).encode())

    assert len(parsed.transactions) == 1
    assert [why.split(":")[0] for why in parsed.unreadable] == [
        "transaction 0 of the block",
        "transaction 2 of the block",
    ]
    assert "transactionDetails `accounts`" in parsed.unreadable[0]


def test_a_block_notification_tells_slot_and_time() -> None:
    element = {name: value for name, value in document().items() if name in ("transaction", "meta")}
    value = {"slot": 8, "err": None, "block": {"blockTime": TIME, "transactions": [element]}}
    form = {
        "jsonrpc": "2.0",
        "method": "blockNotification",
        "params": {"result": {"context": {"slot": 8}, "value": value}, "subscription": 1},
    }

    transaction = read(form)

    assert (transaction.slot, transaction.block_time, transaction.transaction_index) == (8, TIME, 0)


def test_a_bare_element_of_a_block_has_neither_slot_nor_time() -> None:
    element = {name: value for name, value in document().items() if name in ("transaction", "meta")}

    transaction = read(element)

    assert (transaction.slot, transaction.block_time) == (0, None)
    assert decode(transaction).events[0].block_time == TIME


def logs_notification(**value: Any) -> dict[str, Any]:
    inside = {"signature": SIGNATURE, "err": None, "logs": list(pump_log(pump_trade())), **value}
    return {
        "jsonrpc": "2.0",
        "method": "logsNotification",
        "params": {"result": {"context": {"slot": 6}, "value": inside}, "subscription": 1},
    }


def test_a_logs_notification_is_a_partial_transaction() -> None:
    transaction = read(logs_notification(), Commitment.CONFIRMED)

    assert (transaction.slot, transaction.is_partial, transaction.commitment) == (6, True, Commitment.CONFIRMED)
    assert len(decode(transaction).events) == 1


def test_the_value_of_a_logs_notification_alone_is_enough() -> None:
    assert read(logs_notification()["params"]["result"]["value"]).slot == 0


def test_a_failed_logs_notification_keeps_no_logs() -> None:
    transaction = read(logs_notification(err={"InstructionError": [0, {"Custom": 1}]}))

    assert (transaction.failed, transaction.logs) == (True, ())


def test_logs_are_read_where_a_node_kept_no_inner_instructions() -> None:
    transaction = read(document(meta=meta(pump_trade(), innerInstructions=None)))

    assert transaction.is_partial
    (trade,) = decode(transaction).events
    assert trade.identity == decode(read(document())).events[0].identity


def test_a_pumpswap_trade_of_such_a_node_finds_its_mints_in_the_outer_instruction() -> None:
    call = swap_call()
    keys = list(dict.fromkeys([key(1), *call.accounts, PUMP_SWAP]))
    outer = {
        "programIdIndex": keys.index(PUMP_SWAP),
        "accounts": [keys.index(a) for a in call.accounts],
        "data": base58.encode(call.data),
    }
    amount = {"amount": "1", "decimals": 6}
    logs = [f"Program {PUMP_SWAP} invoke [1]", *pump_log(swap_buy())[1:2], f"Program {PUMP_SWAP} success"]
    form = document(
        transaction={"signatures": [SIGNATURE], "message": {"accountKeys": keys, "instructions": [outer]}},
        meta={
            "err": None,
            "logMessages": logs,
            "postTokenBalances": [{"accountIndex": 0, "mint": MINT, "uiTokenAmount": amount}],
        },
    )

    (trade,) = decode(read(form)).events

    assert isinstance(trade, Trade)
    assert (trade.mint, trade.quote_mint, trade.venue) == (MINT, WSOL, POOL)


def test_raw_events_are_read_with_and_without_the_self_cpi_frame() -> None:
    for frame in (b"", SELF_CPI):
        form = {"signature": SIGNATURE, "events": [{"program_id": PUMP_FUN, "data_hex": (frame + pump_trade()).hex()}]}
        (trade,) = decode(read(form)).events
        assert isinstance(trade, Trade)
        assert (trade.mint, trade.ordinal) == (MINT, 0)


def test_lists_of_forms_are_read_each_for_itself() -> None:
    parsed = parse(json.dumps([document(), logs_notification(), {"some": "thing"}]).encode())

    assert len(parsed.transactions) == 2
    assert parsed.unreadable == ("not a form of recording that is known",)


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({"jsonrpc": "2.0", "error": {"code": -32015, "message": "version (1)"}}, "JSON-RPC error -32015: version (1)"),
        ({"jsonrpc": "2.0", "result": None, "id": 1}, "the RPC answered null: no such transaction or block"),
        ({"jsonrpc": "2.0", "result": 5308752, "id": 1}, "an RPC answer that holds no transaction"),
        ({"signatures": [SIGNATURE], "blockTime": 1}, "a block with signatures only (transactionDetails `signatures`)"),
        ({"slot": 1, "block": None}, "a block notification without block"),
        ({"signature": SIGNATURE, "events": []}, "a signature with no event"),
        (document(meta=None), "transaction without meta"),
        ({}, "not a form of recording that is known"),
    ],
)
def test_what_is_no_transaction_is_said_why(form: Any, why: str) -> None:
    assert refused(form) == why


@pytest.mark.parametrize("signature", ["5P4AtsiW (prefix only)", "", "1" * 63, SIGNATURE * 2, "é" * 88])
def test_an_invalid_signature_is_named(signature: str) -> None:
    raw_event = {"signature": signature, "events": [{"program_id": PUMP_FUN, "data_hex": pump_trade().hex()}]}
    signed = {"signatures": [signature], "message": MESSAGE}

    assert refused(raw_event).startswith("invalid signature")
    assert refused(document(transaction=signed)).startswith("invalid signature")


@pytest.mark.parametrize(
    "broken",
    [
        {"instructions": [{"programIdIndex": 2, "accounts": [9], "data": ""}]},
        {"instructions": [{"programIdIndex": 2, "accounts": [-1], "data": ""}]},
        {"instructions": [{"programIdIndex": 2, "accounts": [], "data": "0OIl"}]},
    ],
)
def test_a_transaction_that_does_not_hold_together_is_refused(broken: dict[str, Any]) -> None:
    assert refused(document(transaction={"signatures": [SIGNATURE], "message": {**MESSAGE, **broken}}))


@pytest.mark.parametrize("amount", ["", "-1", "1.5", "9" * 30, "١"])
def test_a_balance_that_is_no_amount_is_refused(amount: str) -> None:
    balances = [{"accountIndex": 1, "mint": MINT, "uiTokenAmount": {"amount": amount, "decimals": 6}}]

    assert refused(document(meta=meta(pump_trade(), postTokenBalances=balances)))


def test_text_that_is_not_json_is_said_to_be_none() -> None:
    assert "JSON" in parse(b"# Recorded chain data").unreadable[0]
    assert parse(b"\xff\xfe{").unreadable


def test_token_instructions_are_kept_only_where_balances_are_missing() -> None:
    keys = [*KEYS, TOKEN_2022]
    transfer = {"programIdIndex": 6, "accounts": [1, 4, 1, 0], "data": base58.encode(bytes([12]) + bytes(8) + b"\6")}
    message = {**MESSAGE, "accountKeys": keys, "instructions": [transfer]}
    signed = {"signatures": [SIGNATURE], "message": message}

    def programs(**fields: Any) -> list[str]:
        told = meta(pump_trade(), loadedAddresses=None, innerInstructions=[], **fields)
        return [i.program for i in read(document(transaction=signed, meta=told)).instructions]

    assert programs() == []
    assert programs(preTokenBalances=None, postTokenBalances=None) == [TOKEN_2022]


@needs_recordings()
@pytest.mark.parametrize("name", names("transactions"))
def test_a_recorded_transaction_reads_the_same_in_and_out_of_an_envelope(name: str) -> None:
    bare = parse(raw("transactions", name))
    wrapped = parse(json.dumps({"jsonrpc": "2.0", "id": 1, "result": load("transactions", name)}).encode())

    assert bare == wrapped
    assert (len(bare.transactions), bare.unreadable) == (1, ())
