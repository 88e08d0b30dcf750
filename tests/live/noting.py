"""A subscriber of a router that notes everything it is told."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from app.domain.records import Withdrawn
from app.live.moment import Moment

R = TypeVar("R")


class Noting(Generic[R]):
    """`moments` holds the sequence of every step that it was told of."""

    def __init__(self) -> None:
        self.got: list[R] = []
        self.gone: list[Withdrawn] = []
        self.moments: list[int] = []
        self.is_closed = False

    def take(self, records: Sequence[R], moment: Moment) -> None:
        self.got += records
        self.moments.append(moment.sequence)

    def withdraw(self, gone: Sequence[Withdrawn], moment: Moment) -> None:
        self.gone += gone
        self.moments.append(moment.sequence)

    def close(self) -> None:
        self.is_closed = True
