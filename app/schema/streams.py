"""What all stream payloads share, and the arguments that say where a stream starts and how it is packed."""

from typing import Any, Final

import strawberry

from app.domain.streams import OverflowPolicy, StreamPhase
from app.errors import InvalidInput
from app.schema.chain import ChainPoint
from app.schema.inputs import StreamDelivery
from app.schema.plans import Options

MAX_INTERVAL_MS: Final = 60_000
_MAX_BATCH: Final = 1_000
_MAX_HEARTBEAT_MS: Final = 300_000
_MIN_HEARTBEAT_MS: Final = 100
_DEFAULT = StreamDelivery()


@strawberry.type(description="Hole in a stream, told in-band.")
class StreamGap:
    dropped: int = strawberry.field(description="Records dropped.")
    merged: int = strawberry.field(description="Records merged into others.")
    recover_from: str = strawberry.field(description="Resume here to get what was dropped.")


@strawberry.interface(description="What every stream payload carries.")
class StreamPayload:
    cursor: str = strawberry.field(description="Resume point after this payload.")
    phase: StreamPhase = strawberry.field(description="Replay or live.")
    gap: StreamGap | None = strawberry.field(
        description="Records lost or merged just before this payload; null when none were."
    )
    head: ChainPoint = strawberry.field(
        description="Newest indexed slot when it was sent; on a heartbeat the payload has no records."
    )

    @classmethod
    def is_type_of(cls, _value: object, _info: Any) -> bool:
        # Types resolve from views, and each field returns one type only.
        return True


@strawberry.type
class PayloadFields(StreamPayload):
    """The same as each payload type says it."""

    gap: StreamGap | None = strawberry.field(description="Records lost or merged just before this payload.")
    head: ChainPoint = strawberry.field(description="Newest indexed slot when it was sent.")


def options_of(delivery: StreamDelivery | None) -> Options:
    """How a stream is packed. Raises InvalidInput, naming the member and its range."""
    asked = delivery or _DEFAULT
    interval = _within(asked.interval_ms, "intervalMs", 0, 0, MAX_INTERVAL_MS)
    heartbeat = _within(asked.heartbeat_ms, "heartbeatMs", 15_000, _MIN_HEARTBEAT_MS, _MAX_HEARTBEAT_MS)
    return Options(
        interval_seconds=interval / 1_000,
        max_batch=_within(asked.max_batch, "maxBatch", 100, 1, _MAX_BATCH),
        overflow=asked.overflow or OverflowPolicy.DISCONNECT,
        heartbeat_seconds=heartbeat / 1_000,
    )


def is_conflated(delivery: StreamDelivery | None) -> bool:
    """Whether records of one key are merged inside an interval. Raises InvalidInput where there is none."""
    if delivery is None or not delivery.conflate:
        return False
    if not delivery.interval_ms:
        raise InvalidInput("`delivery.conflate` merges inside an interval: give `delivery.intervalMs` too.")
    return True


def _within(value: int | None, name: str, default: int, least: int, most: int) -> int:
    chosen = default if value is None else value
    if not least <= chosen <= most:
        raise InvalidInput(f"`delivery.{name}` must be {least:,} to {most:,}.")
    return chosen
