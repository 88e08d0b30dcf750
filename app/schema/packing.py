"""How records become payloads: one by one, for fields that return the record itself, or packed into a payload type."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import msgspec

from app.domain.programs import Commitment
from app.domain.records import ChainPoint, Withdrawn
from app.domain.streams import Gap, StreamPhase
from app.schema.plans import Circumstances, Event

R = TypeVar("R")
_NOWHERE = ChainPoint(0, 0, Commitment.CONFIRMED)
"""The head before anything is indexed."""


class OneByOne(Generic[R]):
    """Each record is the value of its payload, or `value_of` it is; the cursor goes into `extensions`."""

    has_cursor_extension = True

    def __init__(
        self,
        sequence_of: Callable[[R], int],
        cursor_of: Callable[[R], str | None],
        value_of: Callable[[R], object] = lambda record: record,
    ) -> None:
        self._sequence_of = sequence_of
        self._cursor_of = cursor_of
        self._value_of = value_of

    def pack(self, records: Sequence[R], told: Circumstances) -> list[Event]:
        value_of, sequence_of, cursor_of = self._value_of, self._sequence_of, self._cursor_of
        return [Event(value_of(each), sequence_of(each), cursor_of(each), (each,)) for each in records]

    def heartbeat(self, cursor: str, told: Circumstances) -> Event | None:
        return None

    def withdrawn(self, gone: Sequence[Withdrawn], cursor: str, told: Circumstances) -> Event | None:
        return None


class PayloadView(msgspec.Struct, frozen=True, kw_only=True):
    """What every stream payload says."""

    cursor: str
    phase: StreamPhase
    gap: Gap | None
    head: ChainPoint


class Packed(ABC, Generic[R]):
    """All records of a payload in one value, of a type of the field's own."""

    has_cursor_extension = False

    def __init__(self, sequence_of: Callable[[R], int], cursor_of: Callable[[R], str], max_batch: int) -> None:
        self._sequence_of = sequence_of
        self._cursor_of = cursor_of
        self._max_batch = max_batch

    @abstractmethod
    def view(self, records: Sequence[R], gone: Sequence[Withdrawn], cursor: str, told: Circumstances) -> PayloadView:
        """The value of a payload."""

    def pack(self, records: Sequence[R], told: Circumstances) -> list[Event]:
        events = []
        for first in range(0, len(records), self._max_batch):
            part = records[first : first + self._max_batch]
            cursor = self._cursor_of(part[-1])
            events.append(Event(self.view(part, (), cursor, told), self._sequence_of(part[-1]), cursor, part))
            told = told._replace(gap=None)
        return events

    def heartbeat(self, cursor: str, told: Circumstances) -> Event | None:
        return Event(self.view((), (), cursor, told), told.moment.sequence, cursor, ())

    def withdrawn(self, gone: Sequence[Withdrawn], cursor: str, told: Circumstances) -> Event | None:
        """Only where the payload's type has a place for it."""
        return None


def head_of(told: Circumstances) -> ChainPoint:
    """Newest indexed slot when a payload was made."""
    return told.moment.head.point if told.moment.head is not None else _NOWHERE
