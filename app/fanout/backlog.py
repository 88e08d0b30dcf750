"""What one member has waiting while its client does not read: bounded, with the client's own choice at the bound."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from app.domain.streams import Gap, OverflowPolicy
from app.fanout.payloads import Payload


@dataclass(frozen=True, slots=True)
class Caught:
    """What comes next: `records` to be packed anew with the gap before them, or payloads as they are; or nothing."""

    payloads: Sequence[Payload] = ()
    records: Sequence[Any] = ()
    gap: Gap | None = None


def backlog_of(policy: OverflowPolicy, limit: int, key_of: Callable[[Any], Hashable]) -> "Backlog":
    """An empty one that does at `limit` records what `policy` says."""
    if policy is OverflowPolicy.CONFLATE:
        return Newest(limit, key_of)
    return Waiting(limit, drops_oldest=policy is OverflowPolicy.DROP_OLDEST)


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
        """What is to be sent next, which it then holds no more."""

    @abstractmethod
    def keep(self, is_new: Callable[[Payload], bool]) -> None:
        """Lets go of payloads that the member has already."""


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
        if self._dropped:
            gap = Gap(self._dropped, 0, self.resume_from or "")
            first = self._payloads.popleft()
            self._count -= _size(first)
            self._dropped = 0
            return Caught(records=first.records, gap=gap)
        payloads = list(self._payloads)
        self._payloads.clear()
        self._count = 0
        return Caught(payloads)

    def keep(self, is_new: Callable[[Payload], bool]) -> None:
        self._payloads = deque(filter(is_new, self._payloads))
        self._count = sum(map(_size, self._payloads))


class Newest(Backlog):
    """Keeps the newest record of each key; past the bound the key that changed longest ago goes."""

    def __init__(self, limit: int, key_of: Callable[[Any], Hashable]) -> None:
        super().__init__(limit)
        self._key_of = key_of
        self._records: dict[Hashable, tuple[object, Payload]] = {}
        self._merged = 0
        self._dropped = 0

    def add(self, payload: Payload) -> bool:
        if not self._records:
            self.resume_from = payload.before
        for record in payload.records:
            key = self._key_of(record)
            if self._records.pop(key, None) is not None:
                self._merged += 1
            self._records[key] = (record, payload)
        while len(self._records) > self._limit:
            del self._records[next(iter(self._records))]
            self._dropped += 1
        return True

    def take(self) -> Caught:
        records = [record for record, _ in self._records.values()]
        lost = self._dropped or self._merged
        gap = Gap(self._dropped, self._merged, self.resume_from or "") if lost else None
        self._records.clear()
        self._dropped = self._merged = 0
        return Caught(records=records, gap=gap)

    def keep(self, is_new: Callable[[Payload], bool]) -> None:
        self._records = {key: each for key, each in self._records.items() if is_new(each[1])}


def _size(payload: Payload) -> int:
    return max(1, len(payload.records))
