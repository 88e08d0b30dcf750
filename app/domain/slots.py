"""Ranges of slots: what is complete and what is known to be missing."""

import msgspec


class SlotRange(msgspec.Struct, frozen=True, order=True, gc=False):
    """Slots from `first` to `last`, both included."""

    first: int
    last: int


class Gap(msgspec.Struct, frozen=True, order=True, gc=False):
    """Slots of which something is missing, and why, in words for people."""

    slots: SlotRange
    why: str
