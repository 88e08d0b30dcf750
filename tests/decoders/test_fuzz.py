"""Any bytes: nothing raises out of parse or decode, and no trade appears that the bytes do not hold."""

import json
from base64 import b64encode
from io import BytesIO
from typing import Any

import msgspec
import pytest
from chain import (
    MINT,
    SIGNATURE,
    balance,
    dbc_call,
    dbc_swap,
    from_logs,
    key,
    pump_log,
    pump_trade,
    self_cpi,
    swap_buy,
    swap_call,
    swap_sell,
    transaction,
)
from hypothesis import given
from hypothesis import strategies as st

from app.domain.events import Trade
from app.domain.programs import METEORA_DBC, PUMP_FUN, PUMP_SWAP
from indexer.decoders import Decoded, decode
from indexer.decoders.context import PoolMints
from indexer.layouts.dynamic_bonding_curve import DBC
from indexer.layouts.idl import Idl
from indexer.layouts.pump import PUMP
from indexer.layouts.pump_amm import PUMP_AMM
from indexer.parse import parse
from indexer.recordings import write_recording

PROGRAMS = st.sampled_from([PUMP, PUMP_AMM, DBC])
EVENTS = [pump_trade(), swap_buy(), swap_sell(), dbc_swap("EvtSwap"), dbc_swap("EvtSwap2")]
POOLS = {key(number): PoolMints(MINT, key(0), 6, 9) for number in range(10, 16)}


def written(*payloads: bytes) -> bytes:
    """A whole recorded transaction with these events."""

    out = BytesIO()
    steps = [self_cpi(PUMP, payload) for payload in payloads]
    write_recording(out, [transaction(*steps, accounts=(key(1), PUMP_FUN), post_balances=(balance(MINT),))])
    return out.getvalue()


def amounts_are_held(decoded: Decoded, payload: bytes) -> bool:
    """Whether what a trade says stands in the bytes, number by number."""
    for trade in decoded.events:
        assert isinstance(trade, Trade)
        assert trade.base_amount.to_bytes(8, "little") in payload
        assert 0 <= (trade.fee or 0) < 1 << 64
        assert all(0 <= amount < 1 << 64 for amount in (trade.quote_amount, trade.virtual_quote_reserves or 0))
    return True


@given(PROGRAMS, st.binary(max_size=500))
def test_any_payload_is_an_event_a_failure_or_nothing(idl: Idl, payload: bytes) -> None:
    decoded = decode(transaction(self_cpi(idl, payload)))

    assert len(decoded.events) + len(decoded.failures) <= 1


@given(PROGRAMS, st.data())
def test_any_bytes_behind_a_known_discriminator_never_raise(idl: Idl, data: st.DataObject) -> None:
    discriminator = data.draw(st.sampled_from(sorted(idl.events)))
    payload = discriminator + data.draw(st.binary(max_size=600))

    decoded = decode(
        transaction(swap_call(), dbc_call(), self_cpi(idl, payload), post_balances=(balance(MINT),)), POOLS
    )

    assert len(decoded.events) + len(decoded.failures) <= 1


@given(st.sampled_from(EVENTS), st.data())
def test_a_truncated_event_is_a_failure_or_tells_only_what_it_still_holds(payload: bytes, data: st.DataObject) -> None:
    cut = payload[: data.draw(st.integers(0, len(payload) - 1))]
    steps = (swap_call(), dbc_call())

    for idl in (PUMP, PUMP_AMM, DBC):
        decoded = decode(transaction(*steps, self_cpi(idl, cut), post_balances=(balance(MINT),)))
        assert amounts_are_held(decoded, cut)


@given(st.sampled_from(EVENTS), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=5))
def test_a_mutated_event_tells_only_what_its_bytes_hold(payload: bytes, changes: list[tuple[int, int]]) -> None:
    mutated = bytearray(payload)
    for index, value in changes:
        mutated[index % len(mutated)] = value

    for idl in (PUMP, PUMP_AMM, DBC):
        landed = transaction(swap_call(), dbc_call(), self_cpi(idl, bytes(mutated)), post_balances=(balance(MINT),))
        for event in decode(landed, POOLS).events:
            assert isinstance(event, Trade)
            assert 0 <= event.base_amount < 1 << 64
            assert 0 < event.block_time < 1 << 38


@given(st.lists(st.one_of(st.text(max_size=60), st.sampled_from([*pump_log(*EVENTS), "Log truncated"])), max_size=12))
def test_any_log_lines_never_raise(logs: list[str]) -> None:
    decode(from_logs(*logs))


@given(st.binary(max_size=300))
def test_any_bytes_are_named_unreadable_or_hold_nothing(data: bytes) -> None:
    parsed = parse(data)

    assert parsed.transactions == ()
    assert all(parsed.unreadable)


FIELDS = (
    *("transaction", "meta", "signatures", "message", "accountKeys", "instructions", "innerInstructions", "result"),
    *("params", "value", "block", "transactions", "signature", "events", "logs", "err", "error", "slot", "context"),
    *("programIdIndex", "accounts", "data", "index", "rate", "commitment", "blockTime", "postTokenBalances"),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=6),
    max_leaves=25,
)


@given(JSON)
def test_any_json_of_our_field_names_never_raises(value: Any) -> None:
    for source in parse(msgspec.json.encode(value)).transactions:
        decode(source)


@given(st.data())
def test_a_mutated_transaction_never_raises(data: st.DataObject) -> None:
    document = json.loads(written(pump_trade()))
    parts = [document]
    for part in parts:
        parts.extend(v for v in (part.values() if isinstance(part, dict) else part) if isinstance(v, dict | list) and v)
    part = data.draw(st.sampled_from(parts))
    if isinstance(part, dict):
        part[data.draw(st.sampled_from(sorted(part)))] = data.draw(JSON)
    else:
        part[data.draw(st.integers(0, len(part) - 1))] = data.draw(JSON)

    for source in parse(json.dumps(document).encode()).transactions:
        for event in decode(source).events:
            assert event.signature == source.signature


@given(st.data())
def test_a_cut_document_holds_no_transaction(data: st.DataObject) -> None:
    document = written(pump_trade()).rstrip()

    parsed = parse(document[: data.draw(st.integers(0, len(document) - 1))])

    assert parsed.transactions == ()
    assert len(parsed.unreadable) == 1


@given(st.binary(max_size=120), st.sampled_from(["base64", "base58", "base64+zstd"]))
def test_any_wire_bytes_never_raise(wire: bytes, encoding: str) -> None:

    form = {"transaction": [b64encode(wire).decode(), encoding], "meta": {"err": None}}

    assert parse(json.dumps(form).encode()).unreadable


def test_a_document_nested_without_end_is_refused() -> None:
    parsed = parse(b'{"result":' * 5_000 + b"null" + b"}" * 5_000)

    assert (parsed.transactions, len(parsed.unreadable)) == ((), 1)
    assert parse(b"[" * 100_000).unreadable


@pytest.mark.parametrize("program", [PUMP_FUN, PUMP_SWAP, METEORA_DBC])
def test_a_raw_event_that_is_empty_is_a_failure(program: str) -> None:
    decoded = decode(transaction(events=((program, b""),), is_partial=True, signature=SIGNATURE))

    assert [f.cause for f in decoded.failures] == ["unknown event "]
