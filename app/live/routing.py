"""Who wants what: a record reaches only the subscribers that it concerns, however many others there are."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, islice
from typing import Final, Generic, Protocol, TypeVar

from app.domain.records import Withdrawn
from app.live.moment import Moment

R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)
Key = tuple[str, str]
"""Name of an indexed part of a record and its value, as ("mint", "9xQ…")."""
MINT: Final = "mint"
"""The part that withdrawn records are matched by."""


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


class _Seat(Generic[R]):
    """A subscriber's membership. One that leaves, and comes again, has another."""

    __slots__ = ("condition", "is_taken", "subscriber")

    def __init__(self, subscriber: Subscriber[R], condition: Condition[R]) -> None:
        self.subscriber = subscriber
        self.condition = condition
        self.is_taken = True


class _Thresholds(Generic[R]):
    """Seats by the least value that they ask for, in its order: those that a value reaches come first."""

    __slots__ = ("_seats", "_values")

    def __init__(self) -> None:
        self._values: list[Decimal] = []
        self._seats: dict[Decimal, dict[_Seat[R], None]] = {}

    def add(self, least: Decimal, seat: _Seat[R]) -> None:
        if least not in self._seats:
            insort(self._values, least)
            self._seats[least] = {}
        self._seats[least][seat] = None

    def remove(self, least: Decimal, seat: _Seat[R]) -> None:
        del self._seats[least][seat]
        if not self._seats[least]:
            del self._seats[least]
            del self._values[bisect_left(self._values, least)]

    def reached(self, value: Decimal) -> Iterator[_Seat[R]]:
        for least in islice(self._values, bisect_right(self._values, value)):
            yield from self._seats[least]

    def all(self) -> Iterator[_Seat[R]]:
        return chain.from_iterable(self._seats.values())

    def __bool__(self) -> bool:
        return bool(self._values)


class _Shelf(Generic[R]):
    """The seats that one key is the way to: those that take any measure, and the others by what they measure."""

    __slots__ = ("_any", "_by_measure")

    def __init__(self) -> None:
        self._any: dict[_Seat[R], None] = {}
        self._by_measure: dict[str, _Thresholds[R]] = {}

    def add(self, seat: _Seat[R]) -> None:
        if seat.condition.at_least is None:
            self._any[seat] = None
        else:
            name, least = seat.condition.at_least
            self._by_measure.setdefault(name, _Thresholds()).add(least, seat)

    def remove(self, seat: _Seat[R]) -> None:
        if seat.condition.at_least is None:
            del self._any[seat]
        else:
            name, least = seat.condition.at_least
            self._by_measure[name].remove(least, seat)
            if not self._by_measure[name]:
                del self._by_measure[name]

    def seats(self, record: R, measures: Mapping[str, Callable[[R], Decimal | None]]) -> Iterable[_Seat[R]]:
        """Those whose key and measure the record fulfils."""
        if not self._by_measure:
            return self._any
        reached: list[_Seat[R]] = [*self._any]
        for name, thresholds in self._by_measure.items():
            value = measures[name](record)
            if value is not None:
                reached.extend(thresholds.reached(value))
        return reached

    def all(self) -> Iterator[_Seat[R]]:
        yield from self._any
        for thresholds in self._by_measure.values():
            yield from thresholds.all()

    def __bool__(self) -> bool:
        return bool(self._any or self._by_measure)


Told = list[tuple[_Seat[R], Sequence[R]]]
"""Who is to be told what."""


class Router(Generic[R]):
    """Subscribers of one kind of record, found by key, then by measure; only what neither says is judged one by one.

    Joining and leaving cost the same for any number, but for a new threshold, which is searched for in a sorted list.
    """

    def __init__(
        self, keys_of: Callable[[R], Sequence[Key]], measures: Mapping[str, Callable[[R], Decimal | None]] | None = None
    ) -> None:
        self._keys_of = keys_of
        self._measures = measures or {}
        self._seats: dict[Subscriber[R], _Seat[R]] = {}
        self._shelves: dict[Key | None, _Shelf[R]] = {}
        self._of_any_mint: dict[_Seat[R], None] = {}

    def __len__(self) -> int:
        return len(self._seats)

    def join(self, subscriber: Subscriber[R], condition: Condition[R]) -> None:
        """From the next step on; whoever has joined already has the new condition from then on."""
        self.leave(subscriber)
        seat = self._seats[subscriber] = _Seat(subscriber, condition)
        for key in _ways(condition):
            self._shelves.setdefault(key, _Shelf()).add(seat)
        if not _names_mints(condition):
            self._of_any_mint[seat] = None

    def leave(self, subscriber: Subscriber[R]) -> None:
        """It is told nothing any more, not even the rest of the step that is being handed out. Twice is once."""
        seat = self._seats.pop(subscriber, None)
        if seat is None:
            return
        seat.is_taken = False
        self._of_any_mint.pop(seat, None)
        for key in _ways(seat.condition):
            self._shelves[key].remove(seat)
            if not self._shelves[key]:
                del self._shelves[key]

    def send(self, records: Sequence[R], moment: Moment) -> None:
        """Tells each subscriber what of `records` it wants, in one call."""
        self.tell(self.choose(records, moment), moment)

    def choose(self, records: Sequence[R], moment: Moment) -> Told[R]:
        """Who wants what; nobody is told yet."""
        wanted: dict[_Seat[R], list[R]] = {}
        if self._seats:
            for record in records:
                for seat in self._reached(record):
                    holds = seat.condition.holds
                    if holds is None or holds(record, moment):
                        wanted.setdefault(seat, []).append(record)
        return list(wanted.items())

    def tell(self, chosen: Told[R], moment: Moment) -> None:
        """Tells what was chosen to those who have not left since."""
        for seat, records in chosen:
            if seat.is_taken:
                seat.subscriber.take(records, moment)

    def withdraw(self, gone: Sequence[Withdrawn], moment: Moment) -> None:
        """Tells those whose condition names one of the mints, of that mint, and those that name none."""
        by_mint: dict[str, list[Withdrawn]] = {}
        for each in gone:
            by_mint.setdefault(each.mint, []).append(each)
        concerned: dict[_Seat[R], list[Withdrawn]] = {seat: list(gone) for seat in self._of_any_mint}
        for mint, of_mint in by_mint.items():
            for seat in self._seats_of_mint(mint):
                concerned.setdefault(seat, []).extend(of_mint)
        for seat, what in concerned.items():
            if seat.is_taken:
                seat.subscriber.withdraw(what, moment)

    def close(self) -> None:
        """Tells everybody that nothing comes any more."""
        for seat in list(self._seats.values()):
            if seat.is_taken:
                seat.subscriber.close()

    def _reached(self, record: R) -> Iterable[_Seat[R]]:
        """Each seat once, whichever keys of the record lead to it."""
        find = self._shelves.get
        shelves = [shelf for key in self._keys_of(record) if (shelf := find(key)) is not None]
        if (shelf := find(None)) is not None:
            shelves.append(shelf)
        if len(shelves) == 1:
            return shelves[0].seats(record, self._measures)
        return dict.fromkeys(seat for shelf in shelves for seat in shelf.seats(record, self._measures))

    def _seats_of_mint(self, mint: str) -> list[_Seat[R]]:
        shelf = self._shelves.get((MINT, mint))
        return [] if shelf is None else [seat for seat in shelf.all() if seat not in self._of_any_mint]


def _ways(condition: Condition[R]) -> Iterable[Key | None]:
    return (None,) if condition.keys is None else condition.keys


def _names_mints(condition: Condition[R]) -> bool:
    return condition.keys is not None and all(name == MINT for name, _ in condition.keys)
