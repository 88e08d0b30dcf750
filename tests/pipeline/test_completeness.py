"""Sources side by side: who left out what, and whose word counts."""

from app.domain.programs import Commitment
from app.domain.slots import SlotRange
from indexer.completeness import Ledger
from indexer.sources import Delivery
from indexer.transaction import Transaction


def proven(ledger: Ledger, *slots: tuple[int, int]) -> None:
    ledger.prove("rpc", [SlotRange(*each) for each in slots])


def delivered(*signatures: str, slots: tuple[int, int]) -> Delivery:
    transactions = [
        Transaction(
            signature=each,
            slot=slots[1],
            transaction_index=0,
            block_time=1,
            commitment=Commitment.CONFIRMED,
            failed=False,
        )
        for each in signatures
    ]
    return Delivery(transactions=tuple(transactions), complete=(SlotRange(*slots),))


def test_each_source_is_measured_from_its_own_beginning_against_the_one_that_proves() -> None:
    ledger = Ledger()
    for slot in range(1, 200):
        ledger.note("rpc", slot, f"a{slot}", 2)
        ledger.note("rpc", slot, f"b{slot}", 1)
        if slot >= 50:
            ledger.note("geyser", slot, f"a{slot}", 2)
        if slot >= 50 and slot % 2:
            ledger.note("geyser", slot, f"b{slot}", 1)
        proven(ledger, (slot, slot))
    ledger.settle()
    share = ledger.shares["geyser"]
    judged = range(51, 199 - 64 + 1)
    assert (share.slots, share.events) == (len(judged), 3 * len(judged))
    assert share.brought == sum(3 if slot % 2 else 2 for slot in judged)
    assert "rpc" not in ledger.shares
    assert "of 255 events in 85 slots" in share.text


def test_all_is_said_only_of_all() -> None:
    ledger = Ledger()
    for slot in range(1, 100):
        ledger.note("rpc", slot, f"a{slot}", 1_000)
        ledger.note("geyser", slot, f"a{slot}", 1_000)
        proven(ledger, (slot, slot))
    ledger.note("rpc", 2, "b", 1)
    ledger.settle()
    assert "(99.99 %)" in ledger.shares["geyser"].text


def test_what_the_blocks_do_not_have_is_a_phantom_whoever_brought_it() -> None:
    ledger = Ledger()
    for slot, signature in ((10, "x"), (11, "y"), (12, "z"), (12, "w")):
        ledger.note("geyser", slot, signature, 1)
    assert ledger.phantoms("rpc", delivered("y", slots=(11, 11))) == []
    assert ledger.phantoms("rpc", delivered("z", slots=(12, 12))) == [12]
    assert ledger.phantoms("rpc", delivered("y", slots=(10, 11))) == [10], "10 was skipped"
    assert ledger.phantoms("geyser", delivered(slots=(10, 12))) == [], "its own word"


def test_what_one_has_proven_is_not_withdrawn_for_another() -> None:
    ledger = Ledger()
    proven(ledger, (10, 12))
    assert ledger.disputed("geyser", [9, 10, 12, 13]) == {10, 12}
    assert ledger.disputed("rpc", [10, 11]) == set()
    ledger.withdraw([10])
    assert ledger.disputed("geyser", [10, 11]) == {11}
