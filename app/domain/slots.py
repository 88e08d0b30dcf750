"""Ranges of slots: what is complete and what is known to be missing."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec


class SlotRange(msgspec.Struct, frozen=True, order=True, gc=False):
    """Slots from `first` to `last`, both included."""

    first: int
    last: int


class Gap(msgspec.Struct, frozen=True, order=True, gc=False):
    """Slots of which something is missing, and why, in words for people."""

    slots: SlotRange
    why: str


class OpenGap(msgspec.Struct, frozen=True, order=True, gc=False):
    """A gap that is known to the store. Two of them never share a slot."""

    slots: SlotRange
    why: str
    since: datetime
    """UTC, when it was noticed; a range that is split keeps it."""
    source: str
    """Who noticed it."""


def without(ranges: Iterable[SlotRange], removed: Iterable[SlotRange]) -> list[SlotRange]:
    """What is left of `ranges` (disjoint) outside of `removed`, ascending."""
    left = sorted(ranges)
    for gone in union(removed):
        left = [piece for each in left for piece in _cut(each, gone)]
    return left


def union(ranges: Iterable[SlotRange]) -> list[SlotRange]:
    """The same slots as the fewest ranges, ascending: those that overlap or touch are joined."""
    joined: list[SlotRange] = []
    for each in sorted(ranges):
        if joined and each.first <= joined[-1].last + 1:
            joined[-1] = SlotRange(joined[-1].first, max(joined[-1].last, each.last))
        else:
            joined.append(each)
    return joined


def close(gaps: Iterable[OpenGap], complete: Sequence[SlotRange]) -> list[OpenGap]:
    """The gaps without what is complete; a gap that is cut in two stays two."""
    return [OpenGap(part, gap.why, gap.since, gap.source) for gap in gaps for part in without([gap.slots], complete)]


def note(gaps: Iterable[OpenGap], missing: Iterable[Gap], since: datetime, source: str) -> list[OpenGap]:
    """The gaps with what is missing too. What is known to be missing keeps its reason; neighbours that `source` told
    with the same reason are one gap."""
    noted = list(gaps)
    for gap in missing:
        new = without([gap.slots], [each.slots for each in noted])
        noted += [OpenGap(part, gap.why, since, source) for part in new]
    return _joined(noted)


def settle_gaps(
    missing: Iterable[Gap],
    complete: Iterable[SlotRange],
    next_missing: Sequence[Gap],
    next_complete: Sequence[SlotRange],
) -> tuple[list[Gap], list[SlotRange]]:
    """What two deliveries, one after the other, say together: the later word counts for each slot."""
    still = [Gap(part, gap.why) for gap in missing for part in without([gap.slots], next_complete)]
    kept = without(union(complete), [gap.slots for gap in next_missing])
    return [*still, *next_missing], union([*kept, *without(union(next_complete), [gap.slots for gap in next_missing])])


def _cut(slots: SlotRange, gone: SlotRange) -> list[SlotRange]:
    before = SlotRange(slots.first, min(slots.last, gone.first - 1))
    after = SlotRange(max(slots.first, gone.last + 1), slots.last)
    return [each for each in (before, after) if each.first <= each.last]


def _joined(gaps: list[OpenGap]) -> list[OpenGap]:
    joined: list[OpenGap] = []
    for gap in sorted(gaps):
        last = joined[-1] if joined else None
        if last and (last.why, last.source, last.slots.last + 1) == (gap.why, gap.source, gap.slots.first):
            slots = SlotRange(last.slots.first, gap.slots.last)
            joined[-1] = OpenGap(slots, gap.why, min(last.since, gap.since), gap.source)
        else:
            joined.append(gap)
    return joined
