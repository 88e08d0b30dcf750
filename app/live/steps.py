"""What one batch brings to a feed: its new records, and which of them are not certain enough yet."""

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

import msgspec

from app.domain.events import unpack_position
from app.domain.programs import Commitment, certainty
from app.domain.records import Batch, GraduationRecord, Milestone, RecordKind, TokenRecord, TradeRecord, Withdrawn
from app.live.keys import Lifecycle

R = TypeVar("R", TradeRecord, GraduationRecord, Milestone)


class Step:
    """The records of a batch after sequence `after`, for a feed of one commitment."""

    __slots__ = ("gone", "graduations", "last", "launches", "milestones", "size", "tokens", "trades", "unsure")

    def __init__(self, batch: Batch, after: int, least: Commitment) -> None:
        self.last = batch.last_sequence
        self.gone: list[Withdrawn] = []
        """Records that were handed out and leave with this step."""
        self.unsure: dict[int, int] = {}
        """Slot by sequence of what is not certain enough yet."""
        self.trades = self._certain((each for each in batch.trades if each.sequence > after), least)
        self.graduations = self._certain((each for each in batch.graduations if each.sequence > after), least)
        self.tokens = {token.mint: token for token in batch.tokens}
        """New state of every token that the batch touched, by mint."""
        self.launches = self._launches({sequence for sequence in batch.launches if sequence > after}, least)
        """Mint by sequence, in feed order."""
        self.milestones = [each for each in batch.milestones if each.sequence in self.launches]
        """Launches, and completions."""
        completions = (each for each in batch.milestones if each.kind is RecordKind.COMPLETION)
        self.milestones += self._certain((each for each in completions if each.sequence > after), least)
        self.size = max(1, len(self.trades) + len(self.launches) + len(self.graduations))

    def is_certain(self, finalized_slot: int) -> bool:
        """Whether all of it may be handed out, once slots up to `finalized_slot` are final."""
        return all(slot <= finalized_slot for slot in self.unsure.values())

    def raise_to(self, least: Commitment, finalized_slot: int) -> None:
        """Its records as certain as they have become while they waited."""
        self.trades = [_raised(each, least, finalized_slot) for each in self.trades]
        self.graduations = [_raised(each, least, finalized_slot) for each in self.graduations]
        self.milestones = [_raised(each, least, finalized_slot) for each in self.milestones]

    def lifecycle(self, tokens: Mapping[str, TokenRecord], least: Commitment) -> list[Lifecycle]:
        """Its records in feed order, each with its token; none less certain than `least`, as all of it is by then."""
        found: list[Lifecycle] = [
            Lifecycle(each.kind, _raised(each, least, 0), tokens.get(each.mint)) for each in self.milestones
        ]
        found += [Lifecycle(RecordKind.GRADUATION, each, tokens.get(each.mint)) for each in self.graduations]
        found += [Lifecycle(RecordKind.TRADE, each, tokens.get(each.mint)) for each in self.trades]
        return sorted(found, key=lambda each: each.record.sequence)

    def drop(self, gone: Collection[int]) -> None:
        """Without the records that left the chain."""
        self.trades = [each for each in self.trades if each.sequence not in gone]
        self.graduations = [each for each in self.graduations if each.sequence not in gone]
        self.milestones = [each for each in self.milestones if each.sequence not in gone]
        self.launches = {sequence: mint for sequence, mint in self.launches.items() if sequence not in gone}
        self.unsure = {sequence: slot for sequence, slot in self.unsure.items() if sequence not in gone}

    def _certain(self, records: Iterable[R], least: Commitment) -> list[R]:
        """Those that are certain, or can become so."""
        return [
            each for each in records if each.commitment >= least or self._may_become_certain(each.sequence, each.slot)
        ]

    def _launches(self, new: Collection[int], least: Commitment) -> dict[int, str]:
        """A launch is as certain as the newest event of its token: the chain below a confirmed slot is confirmed."""
        launched = {}
        for token in self.tokens.values():
            sequence, newest = token.launch_sequence, token.as_of
            if sequence is None or sequence not in new:
                continue
            if newest.commitment >= least or self._may_become_certain(sequence, newest.slot):
                launched[sequence] = token.mint
        return dict(sorted(launched.items()))

    def _may_become_certain(self, sequence: int, slot: int) -> bool:
        if slot:
            self.unsure[sequence] = slot
        return slot > 0


def _raised(record: R, least: Commitment, finalized_slot: int) -> R:
    commitment = certainty(max(record.commitment, least), unpack_position(record.position)[0], finalized_slot)
    return record if commitment is record.commitment else msgspec.structs.replace(record, commitment=commitment)
