"""What one member has waiting while its client does not read: bounded, with the client's own choice at the bound."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from app.fanout.payloads import Payload


class Overflow(Enum):
    """What happens to a member that falls behind; meanings as in `OverflowPolicy` of the schema."""

    DISCONNECT = "DISCONNECT"
    CONFLATE = "CONFLATE"
    DROP_OLDEST = "DROP_OLDEST"


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that a member did not get one by one."""

    dropped: int
    merged: int
    recover_from: str
    """Cursor before the first of them."""


@dataclass(frozen=True, slots=True)
class Caught:
    """What waited, in feed order: `records` to be packed anew with the gap before them, then payloads as they are."""

    gap: Gap | None
    records: Sequence[object]
    payloads: Sequence[Payload]


class Backlog(ABC):
    """At most `limit` records. Payloads are shared with every other member that waits: one holds references only."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.resume_from: str | None = None
        """Cursor before everything that was added; None where the field has none."""

    @abstractmethod
    def add(self, payload: Payload) -> bool:
        """Whether there was room; False: the member has to go, and can resume from `resume_from`."""

    @abstractmethod
    def take(self) -> Caught:
        """All of it; it is empty afterwards."""


class Waiting(Backlog):
    """Keeps payloads as they are; at the bound it refuses, or lets the oldest go."""

    def __init__(self, limit: int, *, drops_oldest: bool) -> None:
        super().__init__(limit)
        self._drops_oldest = drops_oldest
        self._payloads: deque[Payload] = deque()
        self._count = 0
        self._dropped = 0

    def add(self, payload: Payload) -> bool:
        if not self._payloads and not self._dropped:
            self.resume_from = payload.before
        self._count += _size(payload)
        if self._count > self._limit and not self._drops_oldest:
            return False
        self._payloads.append(payload)
        while self._count > self._limit and len(self._payloads) > 1:
            let_go = _size(self._payloads.popleft())
            self._count -= let_go
            self._dropped += let_go
        return True

    def take(self) -> Caught:
        payloads, dropped = list(self._payloads), self._dropped
        self._payloads.clear()
        self._count = self._dropped = 0
        if not dropped or not payloads:
            return Caught(None, (), payloads)
        return Caught(Gap(dropped, 0, self.resume_from or ""), payloads[0].records, payloads[1:])


class Newest(Backlog):
    """Keeps the newest record of each key; past the bound the key that changed longest ago goes."""

    def __init__(self, limit: int, key_of: Callable[[Any], Hashable]) -> None:
        super().__init__(limit)
        self._key_of = key_of
        self._records: dict[Hashable, object] = {}
        self._merged = 0
        self._dropped = 0

    def add(self, payload: Payload) -> bool:
        if not self._records:
            self.resume_from = payload.before
        for record in payload.records:
            key = self._key_of(record)
            if self._records.pop(key, None) is not None:
                self._merged += 1
            self._records[key] = record
        while len(self._records) > self._limit:
            del self._records[next(iter(self._records))]
            self._dropped += 1
        return True

    def take(self) -> Caught:
        records = tuple(self._records.values())
        lost = self._dropped or self._merged
        gap = Gap(self._dropped, self._merged, self.resume_from or "") if lost else None
        self._records.clear()
        self._dropped = self._merged = 0
        return Caught(gap, records, ())


def _size(payload: Payload) -> int:
    return max(1, len(payload.records))
