"""What several streams say of the same slots, made one: each transaction once, blocks by their parents, forks. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from app.domain.slots import Gap, SlotRange
from indexer.sources.geyser import geyser_pb2 as pb

_KEPT_SLOTS: Final = 1_000
"""Of slots that are not final: far more than a chain that works ever has."""


@dataclass(slots=True)
class Slot:
    """A slot as far as it is known."""

    transactions: dict[bytes, pb.SubscribeUpdateTransactionInfo] = field(default_factory=dict)
    """By signature, whichever stream brought them first."""
    blockhash: str = ""
    parent: int | None = None
    block_time: int | None = None
    is_told: bool = False
    """Whether its block was handed over."""


class Settled(NamedTuple):
    """What is known by a block becoming final."""

    left: list[int]
    """Slots that were handed over and are not in the chain."""
    moved: list[tuple[int, pb.SubscribeUpdateTransactionInfo]]
    """Transactions of theirs that landed elsewhere, with their slot: to be handed over once more."""
    times: dict[int, int | None]
    """Block times of those slots."""
    missing: list[Gap]


class Slots:
    """The slots above the final one. What it returns is to be handed over, in that order."""

    def __init__(self, final: int | None) -> None:
        self.final = final
        """Newest slot of which everything is settled; None before any was."""
        self.tip = 0
        self._slots: dict[int, Slot] = {}
        self._before: int | None = None
        """Parent of the oldest block: what lies before is not asked for, where nothing was settled yet."""

    @property
    def resumes_at(self) -> int | None:
        """The first slot that a stream has to bring again; None where there was none yet."""
        if self.final is not None:
            return self.final + 1
        return None if self._before is None else self._before + 1

    def take_transaction(self, slot: int, info: pb.SubscribeUpdateTransactionInfo) -> bool:
        """Whether it is to be handed over now, because its block was: it fills what another stream left out."""
        held = self._at(slot)
        if held is None or info.signature in held.transactions:
            return False
        held.transactions[info.signature] = info
        return held.is_told

    def take_block(
        self, slot: int, blockhash: str, parent: int, block_time: int | None
    ) -> list[pb.SubscribeUpdateTransactionInfo]:
        """The transactions of a block that is whole now, in its order."""
        held = self._at(slot)
        if held is None or held.is_told:
            return []
        held.blockhash, held.parent, held.block_time, held.is_told = blockhash, parent, block_time, True
        self.tip = max(self.tip, slot)
        self._before = parent if self._before is None else min(self._before, parent)
        return sorted(held.transactions.values(), key=lambda info: info.index)

    def replaced(self, slot: int, blockhash: str) -> list[int]:
        """Slots that were handed over and must be read anew, because another block stands at `slot` than was told: that
        one and all above it, which followed from it."""
        held = self._slots.get(slot)
        if held is None or not held.is_told or held.blockhash == blockhash:
            return []
        above = [each for each in self._slots if each >= slot]
        told = sorted(each for each in above if self._slots[each].is_told)
        self._forget(above)
        return told

    def time_of(self, slot: int) -> int | None:
        """Unix seconds; None where the block did not tell."""
        held = self._slots.get(slot)
        return held.block_time if held else None

    def settle(self, final: int) -> "Settled | None":
        """The slot `final` cannot change any more; None when nothing is known by that."""
        if final not in self._slots or not self._slots[final].is_told or (self.final or 0) >= final:
            return None
        kept, missing = self._ancestors(final)
        below = sorted(slot for slot in self._slots if slot <= final)
        left = [slot for slot in below if slot not in kept and self._slots[slot].is_told]
        dead = {signature for slot in left for signature in self._slots[slot].transactions}
        moved = [
            (slot, info)
            for slot in below
            if slot in kept
            for signature, info in self._slots[slot].transactions.items()
            if signature in dead
        ]
        times = {slot: self._slots[slot].block_time for slot, _ in moved}
        self._forget(below)
        self.final = final
        return Settled(left, moved, times, missing)

    def _ancestors(self, final: int) -> tuple[set[int], list[Gap]]:
        """Blocks from the one that was final before to `final`, and what of them no stream brought."""
        floor = self.final if self.final is not None else self._before
        assert floor is not None, "a block was told"
        kept, missing, slot = set[int](), list[Gap](), final
        while slot > floor:
            held = self._slots.get(slot)
            if held is not None and held.parent is not None:
                kept.add(slot)
                slot = held.parent
                continue
            below = max((each for each in self._slots if each < slot and self._slots[each].is_told), default=floor)
            below = max(below, floor)
            missing.append(Gap(SlotRange(below + 1, slot), "the streams left out blocks"))
            slot = below
        return kept, missing

    def _at(self, slot: int) -> Slot | None:
        if self.final is not None and slot <= self.final:
            return None
        if slot not in self._slots:
            self._slots[slot] = Slot()
            if len(self._slots) > _KEPT_SLOTS:
                self._forget([min(self._slots)])
        return self._slots.get(slot)

    def _forget(self, slots: Iterable[int]) -> None:
        for slot in slots:
            del self._slots[slot]
