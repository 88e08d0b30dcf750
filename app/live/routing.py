"""Who wants what: a record reaches only the subscribers that it concerns, however many others there are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Generic, Protocol, TypeVar

from app.domain.records import Withdrawn
from app.live.moment import Moment

R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)
Key = tuple[str, str]
"""Name of an indexed part of a record and its value, as ("mint", "9xQ…")."""


class Subscriber(Protocol[R_contra]):
    """Who is told. Called inside the hub's turn: it must neither wait nor raise."""

    def take(self, records: Sequence[R_contra], moment: Moment) -> None:
        """Records of one step that fulfil its condition, in feed order; never none."""

    def withdraw(self, gone: Sequence[Withdrawn], moment: Moment) -> None:
        """Records that left the chain, matched by mint only; some may never have been taken."""

    def close(self) -> None:
        """The feed ends: the process is going down."""


@dataclass(frozen=True, slots=True)
class Condition(Generic[R]):
    """Which records a subscriber wants: those with one of `keys` that reach `at_least` and for which `holds` holds."""

    keys: frozenset[Key] | None = None
    """None: whatever its keys. An empty set: nothing."""
    at_least: tuple[str, Decimal] | None = None
    """Name of an indexed measure, as "volumeUsd", and the least value of it (inclusive); None: any."""
    holds: Callable[[R, Moment], bool] | None = None
    """The whole condition where `keys` and `at_least` do not say it all; judged last. None: they do."""


class Router(Generic[R]):
    """Subscribers of one kind of record. Joining and leaving cost the same for any number."""

    def __init__(
        self, keys_of: Callable[[R], Sequence[Key]], measures: Mapping[str, Callable[[R], Decimal | None]] | None = None
    ) -> None:
        self._keys_of = keys_of
        self._measures = measures or {}
        self._conditions: dict[Subscriber[R], Condition[R]] = {}

    def __len__(self) -> int:
        return len(self._conditions)

    def join(self, subscriber: Subscriber[R], condition: Condition[R]) -> None:
        self._conditions[subscriber] = condition

    def leave(self, subscriber: Subscriber[R]) -> None:
        del self._conditions[subscriber]

    def send(self, records: Sequence[R], moment: Moment) -> None:
        """Tells each subscriber what of `records` it wants, in one call."""
        for subscriber, condition in list(self._conditions.items()):
            wanted = [record for record in records if self._is_wanted(record, condition, moment)]
            if wanted:
                subscriber.take(wanted, moment)

    def withdraw(self, gone: Sequence[Withdrawn], moment: Moment) -> None:
        """Tells those whose condition names one of the mints, and those that name none."""
        for subscriber in list(self._conditions):
            subscriber.withdraw(gone, moment)

    def close(self) -> None:
        for subscriber in list(self._conditions):
            subscriber.close()

    def _is_wanted(self, record: R, condition: Condition[R], moment: Moment) -> bool:
        if condition.keys is not None and condition.keys.isdisjoint(self._keys_of(record)):
            return False
        if condition.at_least is not None:
            name, least = condition.at_least
            value = self._measures[name](record)
            if value is None or value < least:
                return False
        return condition.holds is None or condition.holds(record, moment)
