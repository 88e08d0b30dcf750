"""A feed hands out a prefix of what is stored in which every record is certain enough: in order, once, complete."""

import random
from collections.abc import Iterator

import pytest
from factories import SLOT0
from live.noting import Noting
from live.records import batch, gone, token, traded

from app.domain.programs import Commitment
from app.domain.records import Batch, TokenRecord, TradeRecord, Withdrawn
from app.live.feeds import Feed
from app.live.routing import Condition

PROCESSED, CONFIRMED, FINALIZED = Commitment.PROCESSED, Commitment.CONFIRMED, Commitment.FINALIZED
SEED = 7


def watched(commitment: Commitment, most_waiting: int = 1_000) -> tuple[Feed, Noting[TradeRecord]]:
    """A feed and a subscriber to all its trades."""
    feed, subscriber = Feed(commitment, most_waiting=most_waiting), Noting[TradeRecord]()
    feed.trades.join(subscriber, Condition())
    return feed, subscriber


def sequences(subscriber: Noting[TradeRecord]) -> list[int]:
    return [trade.sequence for trade in subscriber.got]


def early(sequence: int, slot: int = SLOT0) -> TradeRecord:
    return traded(sequence, slot=slot, commitment=PROCESSED)


def test_the_processed_feed_hands_out_everything_at_once() -> None:
    feed, subscriber = watched(PROCESSED)
    feed.take(batch(0, early(1), traded(2)), {})
    assert sequences(subscriber) == [1, 2]
    assert feed.sequence == 2


def test_what_was_delivered_is_not_delivered_again() -> None:
    feed, subscriber = watched(CONFIRMED)
    feed.take(batch(0, traded(1), traded(2)), {})
    feed.take(batch(1, traded(2), traded(3)), {})
    feed.take(batch(0, traded(1)), {})
    assert sequences(subscriber) == [1, 2, 3]
    assert feed.sequence == 3


def test_a_record_that_is_not_confirmed_holds_back_those_after_it() -> None:
    feed, subscriber = watched(CONFIRMED)
    feed.take(batch(0, traded(1)), {})
    feed.take(batch(1, early(2)), {})
    feed.take(batch(2, traded(3)), {})
    assert sequences(subscriber) == [1]
    assert feed.sequence == 1
    feed.take(batch(3, confirmed=(2,)), {})
    assert sequences(subscriber) == [1, 2, 3]
    assert [trade.commitment for trade in subscriber.got] == [CONFIRMED] * 3
    assert (feed.sequence, feed.waiting) == (3, 0)


def test_what_is_final_is_confirmed_even_if_nobody_said_so() -> None:
    feed, subscriber = watched(CONFIRMED)
    feed.take(batch(0, early(1), early(2, SLOT0 + 1)), {})
    feed.take(batch(2, finalized=SLOT0), {})
    assert not subscriber.got
    feed.take(batch(2, finalized=SLOT0 + 1), {})
    assert [trade.commitment for trade in subscriber.got] == [FINALIZED] * 2


def test_the_finalized_feed_follows_the_final_slot_in_the_order_of_the_feed() -> None:
    feed, subscriber = watched(FINALIZED)
    feed.take(batch(0, traded(1, slot=SLOT0), finalized=SLOT0 - 1), {})
    feed.take(batch(1, traded(2, slot=SLOT0 + 2), finalized=SLOT0 - 1), {})
    feed.take(batch(2, traded(3, slot=SLOT0 + 1), finalized=SLOT0 + 1), {})
    assert sequences(subscriber) == [1]  # the third is final, but the second is not
    feed.take(batch(3, finalized=SLOT0 + 2), {})
    assert sequences(subscriber) == [1, 2, 3]
    assert {trade.commitment for trade in subscriber.got} == {FINALIZED}
    assert subscriber.moments == [1, 2, 3]


def test_a_record_of_unknown_slot_counts_by_what_its_source_said() -> None:
    feed, subscriber = watched(FINALIZED)
    feed.take(batch(0, traded(1, slot=0, commitment=FINALIZED), traded(2, slot=0)), {})
    assert sequences(subscriber) == [1]
    assert feed.sequence == 2  # nobody will ever know whether the second is final


def test_a_record_that_leaves_the_chain_while_it_waits_is_never_handed_out() -> None:
    feed, subscriber = watched(CONFIRMED)
    feed.take(batch(0, traded(1)), {})
    feed.take(batch(1, early(2), traded(3)), {})
    feed.take(batch(3, traded(5), last=5, rolled_back=(gone(early(2)),)), {})
    assert sequences(subscriber) == [1, 3, 5]
    assert not subscriber.gone


def test_a_record_that_was_handed_out_is_taken_back_in_its_turn() -> None:
    feed, subscriber = watched(CONFIRMED)
    feed.take(batch(0, traded(1)), {})
    feed.take(batch(1, early(2)), {})
    feed.take(batch(2, last=3, rolled_back=(gone(traded(1)),)), {})
    assert not subscriber.gone
    feed.take(batch(3, confirmed=(2,)), {})
    assert [each.sequence for each in subscriber.gone] == [1]
    assert subscriber.moments == [1, 2, 3]


def test_a_launch_waits_too_and_comes_with_its_newest_state() -> None:
    feed, launches = Feed(CONFIRMED), Noting[TokenRecord]()
    feed.launches.join(launches, Condition())
    born = token(launch_sequence=1, commitment=PROCESSED, trade_count=0)
    newer = token(launch_sequence=1, commitment=PROCESSED, trade_count=1)
    feed.take(batch(0, last=1, launches=(1,), tokens=(born,)), {})
    feed.take(batch(1, early(2), tokens=(newer,)), {})
    assert not launches.got
    feed.take(batch(2, confirmed=(1,)), {})
    assert launches.got == [newer]
    feed.take(batch(2, confirmed=(2,)), {})
    assert feed.sequence == 2


def test_a_launch_is_confirmed_by_what_comes_later_of_its_token() -> None:
    feed, launches = Feed(CONFIRMED), Noting[TokenRecord]()
    feed.launches.join(launches, Condition())
    feed.take(batch(0, last=1, launches=(1,), tokens=(token(launch_sequence=1, commitment=PROCESSED),)), {})
    assert not launches.got
    feed.take(batch(1, traded(2, slot=SLOT0 + 1), tokens=(token(slot=SLOT0 + 1, launch_sequence=1),)), {})
    assert [each.launch_sequence for each in launches.got] == [1]
    assert feed.sequence == 2


def test_a_feed_that_holds_back_too_much_ends_its_subscribers() -> None:
    feed, subscriber = watched(CONFIRMED, most_waiting=3)
    feed.take(batch(0, *(early(n) for n in (1, 2, 3))), {})
    assert not subscriber.is_closed
    feed.take(batch(3, early(4)), {})
    assert subscriber.is_closed
    feed.take(batch(4, traded(5), confirmed=(1, 2, 3, 4)), {})
    assert not subscriber.got


def test_when_the_store_goes_back_what_comes_next_is_new() -> None:
    feed, subscriber = watched(CONFIRMED)
    feed.take(batch(0, traded(1)), {})
    feed.take(batch(1, early(2), early(3)), {})
    feed.rewind(1)
    feed.take(batch(1, traded(2)), {})
    assert sequences(subscriber) == [1, 2]
    assert feed.waiting == 0


def test_a_store_that_goes_back_takes_the_newer_state_of_a_token_along() -> None:
    feed, launches = Feed(CONFIRMED), Noting[TokenRecord]()
    feed.launches.join(launches, Condition())
    born = token(launch_sequence=1, commitment=PROCESSED, trade_count=0)
    feed.take(batch(0, last=1, launches=(1,), tokens=(born,)), {})
    newer = token(launch_sequence=1, commitment=PROCESSED, trade_count=1)
    feed.take(batch(1, early(2), tokens=(newer,)), {})
    feed.rewind(1)
    feed.take(batch(1, finalized=SLOT0), {})
    assert launches.got == [born]


class Chain:
    """A story of trades that come early, are confirmed later, become final, or leave the chain, told in batches."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(f"chain {seed}")
        self._slot = SLOT0
        self._final = SLOT0 - 1
        self.sequence = 0
        self.alive: dict[int, TradeRecord] = {}
        self.confirmed: set[int] = set()

    def batches(self, count: int) -> Iterator[Batch]:
        for _ in range(count):
            yield self._batch()
        self._final = self._slot
        yield batch(self.sequence, finalized=self._final)

    def is_certain(self, sequence: int, least: Commitment) -> bool:
        is_final = self.alive[sequence].slot <= self._final
        return is_final or (least is CONFIRMED and sequence in self.confirmed) or least is PROCESSED

    def _batch(self) -> Batch:
        after = self.sequence
        left = self._withdraw() if self._dice.random() < 0.15 else []
        trades = [self._trade() for _ in range(self._dice.randrange(5))]
        before = [each for each in self.alive if each <= after]
        again = self._dice.sample(before, min(len(before), self._dice.randrange(4)))
        self.confirmed.update(again)
        if self._dice.random() < 0.3:
            self._final = max(self._final, self._slot - self._dice.randrange(12))
        return batch(
            after, *trades, last=self.sequence, rolled_back=tuple(left), confirmed=tuple(again), finalized=self._final
        )

    def _trade(self) -> TradeRecord:
        self.sequence += 1
        self._slot += self._dice.randrange(3)
        commitment = self._dice.choice([PROCESSED, CONFIRMED])
        slot = max(self._slot - self._dice.choice([0, 0, 0, 5]), self._final + 1)
        trade = self.alive[self.sequence] = traded(self.sequence, slot=slot, commitment=commitment)
        if commitment is CONFIRMED:
            self.confirmed.add(self.sequence)
        return trade

    def _withdraw(self) -> list[Withdrawn]:
        """Everything in one slot that is not final; the slot has a sequence of its own."""
        open_slots = sorted({trade.slot for trade in self.alive.values() if trade.slot > self._final})
        if not open_slots:
            return []
        self.sequence += 1
        slot = self._dice.choice(open_slots)
        return [gone(self.alive.pop(n)) for n, trade in sorted(self.alive.items()) if trade.slot == slot]


@pytest.mark.parametrize("commitment", [PROCESSED, CONFIRMED, FINALIZED])
@pytest.mark.parametrize("seed", range(12))
def test_whatever_the_chain_does_a_feed_is_a_prefix_that_is_certain(commitment: Commitment, seed: int) -> None:
    chain = Chain(seed)
    feed, subscriber = watched(commitment)
    for each in chain.batches(80):
        feed.take(each, {})
        told, taken_back = sequences(subscriber), {gone.sequence for gone in subscriber.gone}
        assert told == sorted(set(told))
        assert {n for n in chain.alive if n <= feed.sequence} <= set(told)
        assert all(n <= feed.sequence for n in told)
        assert all(chain.is_certain(n, commitment) for n in told if n in chain.alive)
    assert feed.sequence == chain.sequence
    assert set(told) - taken_back == set(chain.alive)
    assert feed.waiting == 0
    if commitment is FINALIZED:
        assert not taken_back


def test_who_joins_while_a_step_is_told_gets_exactly_what_comes_after_the_sequence() -> None:
    feed, late = Feed(PROCESSED), Noting[TokenRecord]()
    joined_at: list[int] = []

    class Joining(Noting[TradeRecord]):
        def take(self, *_: object) -> None:
            joined_at.append(feed.sequence)
            feed.launches.join(late, Condition())

    feed.trades.join(Joining(), Condition())
    feed.take(batch(0, traded(1), last=2, launches=(2,), tokens=(token(launch_sequence=2),)), {})
    assert joined_at == [2]
    assert not late.got
    feed.take(batch(2, last=3, launches=(3,), tokens=(token("other", launch_sequence=3),)), {})
    assert [each.launch_sequence for each in late.got] == [3]
