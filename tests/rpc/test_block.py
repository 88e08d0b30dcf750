"""A getBlock answer to the transactions that concern us, and the chain of blocks that may still change."""

import io
import json
from itertools import pairwise
from typing import Any

import chain
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.programs import PUMP_FUN, Commitment
from indexer import base58
from indexer.decoders import decode
from indexer.recordings import write_recording
from indexer.rpc.answers import Malformed, RpcError
from indexer.rpc.block import Block, Link, read_block
from indexer.sources.unfinalized import Point, Unfinalized

SLOT = 450_000_000


def element(number: int = 1) -> dict[str, Any]:
    """A pump buy as nodes write it."""
    out = io.BytesIO()
    signature = base58.encode(bytes([number]) * 64)
    write_recording(out, [chain.transaction(*chain.pump_buy(chain.pump_trade()), signature=signature)])
    made = json.loads(out.getvalue())
    return {"transaction": made["transaction"], "meta": made["meta"]}


def foreign() -> dict[str, Any]:
    other: dict[str, Any] = json.loads(json.dumps(element()).replace(PUMP_FUN, "9" * 44))
    return other


def answer(*transactions: Any, **fields: Any) -> bytes:
    block = {"blockhash": "b", "previousBlockhash": "a", "parentSlot": SLOT - 2, "blockTime": 5, **fields}
    return json.dumps({"jsonrpc": "2.0", "id": 0, "result": {**block, "transactions": transactions}}).encode()


def read(data: bytes) -> Block:
    block = read_block(data, SLOT, Commitment.CONFIRMED)
    assert block is not None
    return block


def test_only_our_transactions_are_read_and_they_keep_their_index() -> None:
    block = read(answer(foreign(), element(1), foreign(), element(2)))
    assert [each.transaction_index for each in block.transactions] == [1, 3]
    assert {each.slot for each in block.transactions} == {SLOT}
    assert {each.commitment for each in block.transactions} == {Commitment.CONFIRMED}
    assert block.link == Link(SLOT, "b", SLOT - 2, "a")


def test_without_a_block_time_events_keep_their_own() -> None:
    (transaction,) = read(answer(element(), blockTime=None)).transactions
    assert transaction.block_time is None
    assert [event.block_time for event in decode(transaction).events] == [chain.TIME]


def test_a_transaction_that_cannot_be_read_is_told_and_the_others_are_kept() -> None:
    broken = {**element(1), "meta": None}
    block = read(answer(broken, element(2)))
    assert len(block.transactions) == 1
    assert "transaction 0 of block 450000000" in block.unreadable[0]


@pytest.mark.parametrize("data", [b"", b"<html>", b'{"result":{"blockhash":1}}', b"{}", b"[" * 100_000, b'{"result":'])
def test_what_is_no_block_is_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        read_block(data, SLOT, Commitment.CONFIRMED)


def test_an_error_is_told_by_its_number_and_not_by_what_the_node_writes() -> None:
    with pytest.raises(RpcError) as refused:
        read_block(b'{"error":{"code":-32007,"message":"key=secret"}}', SLOT, Commitment.CONFIRMED)
    assert refused.value.number == -32007
    assert "SLOT_SKIPPED" in str(refused.value)
    assert "secret" not in str(refused.value)


def test_no_block_is_none() -> None:
    assert read_block(b'{"jsonrpc":"2.0","result":null,"id":0}', SLOT, Commitment.CONFIRMED) is None


def grown(slots: list[int]) -> Unfinalized:
    held = Unfinalized([Point(slots[0], f"h{slots[0]}")], slots[0])
    for before, slot in pairwise(slots):
        held.add(Link(slot, f"h{slot}", before, f"h{before}"))
    return held


SLOTS = st.lists(st.integers(1, 10_000), min_size=2, max_size=60, unique=True).map(sorted)


@given(SLOTS, st.data())
def test_a_rewind_gives_back_exactly_the_slots_after_it(slots: list[int], data: st.DataObject) -> None:
    to = data.draw(st.sampled_from(slots))
    held = grown(slots)
    assert held.rewind(Point(to, f"h{to}")) == tuple(slot for slot in slots if slot > to)
    assert held.tip == Point(to, f"h{to}")


@given(SLOTS, st.data())
def test_what_is_final_is_forgotten_and_the_rest_survives_a_restart(slots: list[int], data: st.DataObject) -> None:
    final = data.draw(st.sampled_from(slots))
    held = grown(slots)
    held.settle(final)
    again = Unfinalized.decode(held.encode())
    assert (again.base.slot, again.tip, again.finalized) == (final, held.tip, final)
    assert all(again.holds(slot, f"h{slot}") == (slot >= final) for slot in slots)
    assert again.is_based


def test_a_rewind_below_the_base_gives_back_everything() -> None:
    held = grown([10, 11, 12])
    assert held.rewind(Point(8, "other")) == (10, 11, 12)
    assert held.tip == held.base == Point(8, "other")
