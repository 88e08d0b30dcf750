"""How long to wait before trying a lost connection again: exponential, with jitter, never giving up."""

import random
from typing import Final

FIRST_SECONDS: Final = 0.25
LONGEST_SECONDS: Final = 30.0


class Backoff:
    """Waits of 0.25 to 30 seconds, growing twofold, spread so that processes do not all come back at once."""

    def __init__(self) -> None:
        self._ceiling = FIRST_SECONDS

    def reset(self) -> None:
        """The connection is back: the next loss starts from the shortest wait."""
        self._ceiling = FIRST_SECONDS

    def next_seconds(self) -> float:
        """The wait before the next attempt."""
        wait = random.uniform(FIRST_SECONDS, self._ceiling)
        self._ceiling = min(self._ceiling * 2, LONGEST_SECONDS)
        return wait
