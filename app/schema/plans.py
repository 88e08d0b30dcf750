"""What the root resolvers of Subscription return: how a field is fed, packed and delivered; `app.fanout` does it."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from app.domain.programs import Commitment
from app.domain.records import Withdrawn
from app.domain.streams import Gap, OverflowPolicy, StreamPhase
from app.live.feeds import Feed
from app.live.moment import Moment
from app.live.routing import Condition, Router

R = TypeVar("R")
R_contra = TypeVar("R_contra", contravariant=True)
Opening: TypeAlias = Callable[[], Awaitable[tuple[int, Sequence[R]]]]
"""Reads what is sent first, and the sequence that it stands for."""


@dataclass(frozen=True, slots=True)
class Options:
    """How records leave. The defaults are those of a plain subscription: one by one, at once, nothing in between."""

    interval_seconds: float = 0.0
    """At most one payload in so many seconds; 0: at once."""
    max_batch: int = 1
    """Records that one payload holds at most."""
    overflow: OverflowPolicy = OverflowPolicy.DISCONNECT
    heartbeat_seconds: float | None = None
    """A payload without records after so much quiet; None: none."""


class Event(NamedTuple):
    """One payload before it is executed."""

    value: object
    """Root value of its execution."""
    sequence: int
    """Newest sequence of its records."""
    cursor: str | None
    """Resume point after it; None where the field has none."""
    records: Sequence[object]


class Circumstances(NamedTuple):
    """What a payload says besides its records."""

    moment: Moment
    phase: StreamPhase
    gap: Gap | None = None


class Packing(Protocol[R_contra]):
    """Makes payloads of records."""

    has_cursor_extension: bool
    """Whether each payload carries its cursor in `extensions`: fields whose own type has no place for it."""

    def pack(self, records: Sequence[R_contra], told: Circumstances) -> list[Event]:
        """All of `records`, in as many payloads as they need; a gap is told by the first."""

    def heartbeat(self, cursor: str, told: Circumstances) -> Event | None:
        """A payload that says where the stream is; None where the field has none."""

    def withdrawn(self, gone: Sequence[Withdrawn], cursor: str, told: Circumstances) -> Event | None:
        """A payload that takes records back; None where the field has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Generic[R]):
    """How one subscription is fed. Equal requests have equal plans but for `after`."""

    commitment: Commitment
    """Level of the feed that it hangs on."""
    router: Callable[[Feed], Router[R]]
    condition: Condition[R]
    packing: Packing[R]
    sequence_of: Callable[[R], int]
    cursor_at: Callable[[int], str | None]
    """Resume point after a sequence; None where the field has none."""
    key_of: Callable[[R], Hashable]
    """Records of one key supersede each other where the consumer wants only the newest."""
    merge: Callable[[R, R], R] | None = None
    """Older and newer record of one key to one, inside an interval; None: every record leaves as it is."""
    after: int | None = None
    """Stored records with a larger sequence come first; None: from now on."""
    read: Callable[[int, int], Awaitable[list[R]]] | None = None
    """A page of stored records with a sequence in (after, last], in feed order, fewer than `page` at the end."""
    read_withdrawn: Callable[[int, int], Awaitable[Sequence[Withdrawn]]] | None = None
    """What left the chain in (after, last]."""
    page: int = 500
    opening: Opening[R] | None = None
    """For fields that begin with the present."""
    options: Options = Options()
