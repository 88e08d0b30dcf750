"""How well one node serves: its delay, its failures, and when it may be asked again."""

import time
from collections.abc import Callable
from typing import Final

from app.bus.backoff import Backoff

_WEIGHT: Final = 0.2
"""Of the newest observation in the moving averages."""
_FAILURE_COST: Final = 10
"""A node that fails every second time counts as six times as slow."""
SLOT_SECONDS: Final = 0.4
"""Solana's target; what a node is behind counts as delay."""


class Health:
    """A circuit breaker with a score.

    A failure opens it for a growing, random while (0.25 to 30 s), or for as long as the node says. Then one request
    may try (half-open): its success closes it, its failure opens it again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._backoff = Backoff()
        self._latency: float | None = None
        self._failures = 0.0
        self._opened_at = -1.0
        self._has_trial = False
        self.rests_until = -1.0
        """On the monotonic clock."""
        self.why: str | None = None
        """What went wrong last; None while all is well."""

    @property
    def may_be_asked(self) -> bool:
        """Whether a request may go there now."""
        return self.why is None or (self._clock() >= self.rests_until and not self._has_trial)

    @property
    def latency(self) -> float | None:
        """Moving average of a short question's answer, in seconds."""
        return self._latency

    def score(self, slots_behind: int) -> float:
        """Expected delay in seconds: less is better. A node that nobody measured yet is tried before slow ones."""
        return (self._latency or 0.0) * (1 + _FAILURE_COST * self._failures) + SLOT_SECONDS * slots_behind

    def started(self) -> float:
        """A request begins; what it returns is given back at its end."""
        self._has_trial = self.why is not None
        return self._clock()

    def succeeded(self, started: float, *, is_measured: bool = False) -> None:
        """`is_measured`: a short question, alike on all nodes; the time of a block depends on the block."""
        if started < self._opened_at:
            return  # began before it broke: says nothing of now
        self._failures *= 1 - _WEIGHT
        self._has_trial, self.why = False, None
        self._backoff.reset()
        if is_measured:
            took = self._clock() - started
            self._latency = took if self._latency is None else self._latency + _WEIGHT * (took - self._latency)

    def failed(self, started: float, why: str, rest_seconds: float | None = None) -> None:
        """Opens the breaker; requests that were under way together count as one failure."""
        if started < self._opened_at:
            return
        self._failures += _WEIGHT * (1 - self._failures)
        self._has_trial, self.why = False, why
        now = self._opened_at = self._clock()
        self.rests_until = now + (self._backoff.next_seconds() if rest_seconds is None else rest_seconds)

    def given_up(self) -> None:
        """A request was cancelled: it tells nothing, and another one may try."""
        self._has_trial = False
