"""How complete each source is, measured against one that proves its blocks complete, event by event. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from app.domain.slots import SlotRange
from indexer.sources import Delivery

_SETTLED_SLOTS: Final = 64
"""Below the newest proven slot: by then every source that works has brought what it has."""
_KEPT_SLOTS: Final = 10_000


class Share(msgspec.Struct):
    """Of what was proven since a source began."""

    slots: int = 0
    events: int = 0
    brought: int = 0

    @property
    def text(self) -> str:
        """For people; rounded down, so that 100 is said only of all."""
        hundredths = self.brought * 10_000 // self.events if self.events else 10_000
        return (
            f"brought {self.brought:,} of {self.events:,} events in {self.slots:,} slots"
            f" ({hundredths // 100}.{hundredths % 100:02d} %)"
        )


class Ledger:
    """Counts events by slot and source. Slots that were withdrawn are not judged."""

    def __init__(self) -> None:
        self.shares: dict[str, Share] = {}
        self._brought: dict[int, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
        """Events by slot, source and signature."""
        self._proven: dict[int, str] = {}
        self._since: dict[str, int] = {}
        """First slot that each source brought: what was before it was not asked for."""

    def note(self, source: str, slot: int, signature: str, events: int) -> None:
        """A transaction of `source` held so many events."""
        self._since.setdefault(source, slot)
        self._brought[slot][source][signature] = events
        if len(self._brought) > _KEPT_SLOTS:
            del self._brought[min(self._brought)]

    def prove(self, source: str, complete: Iterable[SlotRange]) -> None:
        """`source` has brought everything of these slots; a long stretch is of the past, and nobody else's."""
        for slots in complete:
            if slots.last - slots.first < _KEPT_SLOTS:
                self._proven.update(dict.fromkeys(range(slots.first, slots.last + 1), source))

    def withdraw(self, retracted: Iterable[int]) -> None:
        """These slots left the chain."""
        for slot in retracted:
            self._brought.pop(slot, None)
            self._proven.pop(slot, None)

    def disputed(self, source: str, retracted: Iterable[int]) -> set[int]:
        """Of slots that `source` wants withdrawn, those that another one has proven."""
        return {slot for slot in retracted if self._proven.get(slot, source) != source}

    def phantoms(self, source: str, delivered: Delivery) -> list[int]:
        """Slots that `source` tells whole, of which another one brought what is not in them."""
        told: dict[int, set[str]] = defaultdict(set)
        for each in delivered.transactions:
            told[each.slot].add(each.signature)
        return [
            slot
            for slots in delivered.complete
            if slots.last - slots.first < _SETTLED_SLOTS
            for slot in range(slots.first, slots.last + 1)
            if any(set(held) - told[slot] for other, held in self._of(slot).items() if other != source)
        ]

    def settle(self) -> None:
        """Judges every slot that lies well below the newest proven one, once."""
        settled = max(self._proven, default=0) - _SETTLED_SLOTS
        for slot in sorted(each for each in self._proven if each <= settled):
            prover, brought = self._proven.pop(slot), self._brought.pop(slot, {})
            true = brought.get(prover, {})
            for source, since in self._since.items():
                if source != prover and slot > since:
                    share = self.shares.setdefault(source, Share())
                    share.slots += 1
                    share.events += sum(true.values())
                    share.brought += sum(true[each] for each in brought.get(source, ()) if each in true)

    def _of(self, slot: int) -> Mapping[str, Mapping[str, int]]:
        return self._brought.get(slot, {})
