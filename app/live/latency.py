"""How long records take from their block to the subscribers, over the last minute."""

import time
from collections import deque
from typing import Final

_WINDOW_SECONDS: Final = 60.0
_MOST_SAMPLES: Final = 10_000


class Latencies:
    """One sample a batch, in milliseconds; a minute of them, at most 10,000."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=_MOST_SAMPLES)

    def add(self, milliseconds: float) -> None:
        self._samples.append((time.monotonic(), milliseconds))

    def percentiles(self) -> tuple[float, float, float]:
        """50th, 95th and 99th; zeros when nothing was delivered in the last minute."""
        oldest = time.monotonic() - _WINDOW_SECONDS
        values = sorted(value for at, value in self._samples if at >= oldest)
        if not values:
            return 0.0, 0.0, 0.0
        last = len(values) - 1
        return values[last // 2], values[last * 95 // 100], values[last * 99 // 100]
