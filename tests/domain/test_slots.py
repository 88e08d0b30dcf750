"""Arithmetic of slot ranges, held against sets of slots."""

import itertools
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.domain.slots import Gap, OpenGap, SlotRange, close, note, settle_gaps, union, without

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RANGES = st.builds(lambda first, length: SlotRange(first, first + length), st.integers(0, 40), st.integers(0, 12))
GAPS = st.builds(Gap, RANGES, st.sampled_from(["lost", "skipped"]))


def slots(ranges: Iterable[SlotRange]) -> set[int]:
    return {slot for each in ranges for slot in range(each.first, each.last + 1)}


def of_gaps(gaps: Iterable[Gap | OpenGap]) -> set[int]:
    return slots(gap.slots for gap in gaps)


@given(st.lists(RANGES))
def test_a_union_holds_the_same_slots_in_ranges_that_do_not_touch(ranges: list[SlotRange]) -> None:
    joined = union(ranges)
    assert slots(joined) == slots(ranges)
    assert all(one.last + 1 < two.first for one, two in itertools.pairwise(joined))


@given(st.lists(RANGES), st.lists(RANGES))
def test_what_is_removed_is_gone_and_nothing_else(ranges: list[SlotRange], removed: list[SlotRange]) -> None:
    assert slots(without(union(ranges), removed)) == slots(ranges) - slots(removed)


@given(st.lists(st.tuples(st.lists(GAPS, max_size=3), st.lists(RANGES, max_size=3)), max_size=8))
def test_gaps_are_what_is_missing_and_was_not_completed_since(story: list[tuple[list[Gap], list[SlotRange]]]) -> None:
    stored: list[OpenGap] = []
    missing: set[int] = set()
    for minute, (told, complete) in enumerate(story):
        stored = note(close(stored, complete), told, NOW + timedelta(minutes=minute), "test")
        missing = (missing - slots(complete)) | of_gaps(told)
        assert of_gaps(stored) == missing
        assert sum(gap.slots.last - gap.slots.first + 1 for gap in stored) == len(missing), "two gaps share a slot"


@given(st.lists(st.tuples(st.lists(GAPS, max_size=3), st.lists(RANGES, max_size=3)), max_size=8))
def test_deliveries_of_one_batch_say_together_what_they_say_one_by_one(
    story: list[tuple[list[Gap], list[SlotRange]]],
) -> None:
    missing: list[Gap] = []
    complete: list[SlotRange] = []
    expected: set[int] = set()
    for told, done in story:
        missing, complete = settle_gaps(missing, complete, told, done)
        expected = (expected - slots(done)) | of_gaps(told)
    assert of_gaps(missing) == expected
    assert not slots(complete) & expected
    assert slots(complete) | expected == {slot for told, done in story for slot in of_gaps(told) | slots(done)}


def test_a_gap_that_is_cut_in_two_keeps_why_and_since_when() -> None:
    gap = OpenGap(SlotRange(10, 20), "lost", NOW, "rpc")
    assert close([gap], [SlotRange(13, 15)]) == [
        OpenGap(SlotRange(10, 12), "lost", NOW, "rpc"),
        OpenGap(SlotRange(16, 20), "lost", NOW, "rpc"),
    ]


def test_slots_that_are_lost_one_after_the_other_are_one_gap() -> None:
    gaps: list[OpenGap] = []
    for slot in (7, 8, 9):
        gaps = note(gaps, [Gap(SlotRange(slot, slot), "lost")], NOW + timedelta(seconds=slot), "rpc")
    assert gaps == [OpenGap(SlotRange(7, 9), "lost", NOW + timedelta(seconds=7), "rpc")]
