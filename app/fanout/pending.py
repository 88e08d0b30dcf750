"""Records of a group that wait for their turn: until the interval is over, or because a payload holds no more."""

import itertools
from collections.abc import Collection, Hashable, Sequence
from typing import Generic, TypeVar

from app.domain.streams import OverflowPolicy
from app.schema.plans import Plan

R = TypeVar("R")


class Pending(Generic[R]):
    """At most `limit` records, in feed order; where the plan merges, one of each key."""

    def __init__(self, plan: Plan[R], limit: int) -> None:
        self._plan = plan
        self._limit = limit
        self._records: dict[Hashable, R] = {}
        self._is_keyed = plan.merge is not None or plan.options.overflow is OverflowPolicy.CONFLATE
        self.dropped = 0
        self.merged = 0
        self.first_sequence: int | None = None
        """Everything before it has left; None when nothing waits."""
        self._count = itertools.count()

    def __len__(self) -> int:
        return len(self._records)

    def add(self, records: Sequence[R]) -> bool:
        """Whether there was room, also by the consumer's own policy; False: whoever waits for them has to go."""
        if self.first_sequence is None:
            self.first_sequence = self._plan.sequence_of(records[0])
        for record in records:
            self._put(record)
        while len(self._records) > self._limit:
            if self._plan.options.overflow is OverflowPolicy.DISCONNECT:
                return False
            del self._records[next(iter(self._records))]
            self.dropped += 1
        return True

    def take(self, most: int) -> list[R]:
        """The oldest `most`."""
        taken = list(itertools.islice(self._records.items(), most))
        for key, _ in taken:
            del self._records[key]
        self._after_some_left()
        return [record for _, record in taken]

    def withdraw(self, sequences: Collection[int]) -> None:
        """Lets go of records that left the chain."""
        gone = [key for key, record in self._records.items() if self._plan.sequence_of(record) in sequences]
        for key in gone:
            del self._records[key]
        self._after_some_left()

    def _after_some_left(self) -> None:
        if not self._records or self._is_keyed:
            # Of merged records, parts are older than what has left: who joins now gets them all from the store instead.
            self.first_sequence = None
        else:
            self.first_sequence = self._plan.sequence_of(next(iter(self._records.values())))

    def _put(self, record: R) -> None:
        plan = self._plan
        key: Hashable = plan.key_of(record) if self._is_keyed else next(self._count)
        older = self._records.pop(key, None)
        if older is not None:
            self.merged += 1
            if plan.merge is not None:
                record = plan.merge(older, record)
        self._records[key] = record
