"""Which records a group has sent: what a fork takes back is told to those that got it, and to nobody else."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from app.fanout.payloads import Payload

_REMEMBERED: Final = 10_000
"""More than the trades of one group in the 31 slots that a fork can be deep."""


class Sent:
    """The newest sequences; for fields that take records back."""

    def __init__(self, sequence_of: Callable[[Any], int]) -> None:
        self._sequence_of = sequence_of
        self._sequences: dict[int, None] = {}
        self._since: int | None = None

    def __contains__(self, sequence: int) -> bool:
        """Also True for what is older than its memory: members may have got it before the group began."""
        return sequence in self._sequences or self._since is None or sequence < self._since

    def add(self, payloads: Sequence[Payload]) -> None:
        for payload in payloads:
            self._sequences.update(dict.fromkeys(map(self._sequence_of, payload.records)))
        while len(self._sequences) > _REMEMBERED:
            del self._sequences[next(iter(self._sequences))]
        if self._sequences:
            self._since = next(iter(self._sequences))
