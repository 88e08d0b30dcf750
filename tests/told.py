"""What a store must hold, and what a reader of the bus must know: the plain rules, in memory."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from app.domain.events import Event
from app.domain.records import Batch, RecordKind, TradeRecord
from app.domain.slots import SlotRange
from app.store.writer_batch import Work
from app.store.writer_journal import name_of
from app.store.writer_states import chain_key


@dataclass
class Told:
    """What the writer was told, by the rules that sources and store agree on."""

    stored: dict[bytes, Event] = field(default_factory=dict)
    """By `name_of` the event."""
    handed: set[tuple[int, bytes]] = field(default_factory=set)
    """Slots and events that were not taken back."""
    slots: set[int] = field(default_factory=set)
    passed_over: set[int] = field(default_factory=set)
    """Slots with an event that was stored in another place."""
    missing: set[int] = field(default_factory=set)
    finalized: int | None = None

    def take(self, work: Work) -> None:
        gone = set(work.retracted)
        self.stored = {name: event for name, event in self.stored.items() if event.slot not in gone}
        self.handed = {(slot, name) for slot, name in self.handed if slot not in gone}
        self.slots = self.slots - gone
        for event in sorted(work.events, key=lambda event: -event.commitment):
            self._meet(event)
        self.missing = self.missing - _slots(work.complete) | _slots(gap.slots for gap in work.missing)
        self.finalized = max(filter(None, (self.finalized, work.finalized_slot)), default=None)

    def _meet(self, event: Event) -> None:
        name = name_of(event, chain_key(event))
        self.handed.add((event.slot, name))
        self.slots.add(event.slot)
        known = self.stored.get(name)
        if known is None or event.commitment > known.commitment:
            self.stored[name] = event
        if known is not None and event.slot != known.slot:
            self.passed_over |= {event.slot, known.slot}

    def refuse(self, work: Work) -> None:
        """Nothing of it is stored; only that an event has two places may be remembered."""
        replace(self).take(work)


@dataclass
class Follower:
    """A reader of the bus, which reads what it missed from the store."""

    sequence: int = 0
    trades: dict[bytes, TradeRecord] = field(default_factory=dict)
    graduations: set[bytes] = field(default_factory=set)
    launched: set[str] = field(default_factory=set)

    def take(self, batch: Batch) -> None:
        assert batch.previous_sequence == self.sequence
        assert batch.first_sequence == self.sequence + 1
        assert batch.last_sequence >= self.sequence
        for each in batch.rolled_back:
            self.trades.pop(each.identity, None)
            self.graduations.discard(each.identity)
            if each.kind is RecordKind.LAUNCH:
                self.launched.discard(each.mint)
        self.trades |= {each.identity: each for each in batch.trades}
        self.graduations |= {each.identity for each in batch.graduations}
        self.launched |= {each.mint for each in batch.tokens if each.launch_sequence in batch.launches}
        self.sequence = batch.last_sequence


def _slots(ranges: Iterable[SlotRange]) -> set[int]:
    return {slot for each in ranges for slot in range(each.first, each.last + 1)}
