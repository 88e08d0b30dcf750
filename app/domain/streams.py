"""What a stream promises its consumer: where it is, what it does when the consumer falls behind, what was left out."""

from dataclasses import dataclass
from enum import Enum


class StreamPhase(Enum):
    """Where a stream is, seen from its start."""

    BACKFILL = "BACKFILL"
    LIVE = "LIVE"


class OverflowPolicy(Enum):
    """What a stream does with a consumer that falls behind."""

    DISCONNECT = "DISCONNECT"
    """It ends, with the cursor to resume from: nothing is lost."""
    CONFLATE = "CONFLATE"
    """Only the newest record of each key is kept."""
    DROP_OLDEST = "DROP_OLDEST"


@dataclass(frozen=True, slots=True)
class Gap:
    """Records that a consumer did not get one by one."""

    dropped: int
    merged: int
    recover_from: str
    """Cursor before the first of them."""
