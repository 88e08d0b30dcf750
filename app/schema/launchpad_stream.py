"""`launchpadStream`: launches, steps on the curve, completions, graduations, from any stored point to live.

METADATA_RESOLVED is never sent yet: a document that was fetched has no place in the feed. A step on the curve that a
fork took is not taken back; the next step says where the curve is.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import strawberry

from app.domain.programs import Commitment
from app.domain.records import GraduationRecord, Milestone, RecordKind, TokenRecord, TradeRecord, Withdrawn
from app.domain.valuation import progress
from app.live.keys import Lifecycle
from app.live.moment import Moment
from app.schema.context import Context
from app.schema.enums import LaunchpadEventType
from app.schema.graduations import GraduationEvent
from app.schema.inputs import StreamDelivery, StreamStart
from app.schema.lazy import LazyToken
from app.schema.lifecycle import KINDS, Chosen, begin, read_lifecycle
from app.schema.nodes import Node, global_id
from app.schema.packing import Packed, PayloadView, head_of
from app.schema.plans import Circumstances, Event, Plan
from app.schema.scalars import BigInt, DateTime
from app.schema.sources import cursor_at
from app.schema.streams import PayloadFields, is_conflated, options_of
from app.schema.traded import Traded
from app.schema.views import LaunchpadEventView
from app.store.feed import read_withdrawn
from app.store.starts import PAGE
from app.store.tokens import read_tokens

_TYPES: Final = {kind: each for each, kind in KINDS.items()}
_REMEMBERED: Final = 10_000
_MAX_DIGITS: Final = 18


class LaunchpadView(PayloadView, frozen=True, kw_only=True):
    events: Sequence[LaunchpadEventView]


def _id(event: strawberry.Parent[LaunchpadEventView]) -> strawberry.ID:
    return global_id("LaunchpadEvent", event.key)


def _token(event: strawberry.Parent[LaunchpadEventView]) -> TokenRecord:
    return event.token


def _graduation(event: strawberry.Parent[LaunchpadEventView]) -> GraduationRecord | None:
    return event.graduation


@strawberry.type(description="Any lifecycle record.")
class LaunchpadEvent(Node):
    id = strawberry.field(resolver=_id, description="Opaque global id.")
    cursor: str = strawberry.field(description="Resume point.")
    type: LaunchpadEventType = strawberry.field(description="Kind.")
    token = strawberry.field(resolver=_token, graphql_type=LazyToken, description="Token after the record.")
    curve_progress: float | None = strawberry.field(description="Curve progress after the record, 0 to 1.")
    graduation = strawberry.field(
        resolver=_graduation, graphql_type=GraduationEvent | None, description="Graduation, on GRADUATED."
    )
    signature: str | None = strawberry.field(description="Signature.")
    slot: BigInt = strawberry.field(description="Slot.")
    timestamp: DateTime = strawberry.field(description="Block time.")
    commitment: Commitment = strawberry.field(description="Certainty.")


@strawberry.type(description="Lifecycle records in chain order.")
class LaunchpadStreamPayload(PayloadFields):
    events: list[LaunchpadEvent] = strawberry.field(description="Records; empty on a heartbeat.")


class PackedLifecycle(Packed[Lifecycle]):
    """Payloads of `launchpadStream`.

    A token that a fork took away altogether is told as it was last sent; to who was never sent it here, because it
    resumed after its launch, nothing of it is told: there is no token to show.
    """

    def __init__(self, context: Context, chosen: Chosen, max_batch: int) -> None:
        super().__init__(lambda each: each.record.sequence, partial(_cursor, context), max_batch)
        self._context = context
        self._chosen = chosen
        self._tokens: dict[str, TokenRecord] = {}

    def view(
        self, records: Sequence[Lifecycle], gone: Sequence[Withdrawn], cursor: str, told: Circumstances
    ) -> PayloadView:
        events = [self._event(each) for each in records if each.token is not None]
        known = ((each, told.moment.tokens.get(each.mint) or self._tokens.get(each.mint)) for each in gone)
        events += [_gone(each, token, cursor) for each, token in known if token is not None]
        return LaunchpadView(cursor=cursor, phase=told.phase, gap=told.gap, head=head_of(told), events=events)

    def withdrawn(self, gone: Sequence[Withdrawn], cursor: str, told: Circumstances) -> Event | None:
        view = self.view((), [each for each in gone if self._chosen.tells_withdrawn(each)], cursor, told)
        assert isinstance(view, LaunchpadView)
        return Event(view, told.moment.sequence, cursor, ()) if view.events else None

    def remember(self, tokens: Mapping[str, TokenRecord]) -> None:
        """As what is told of them when a fork has taken them away."""
        for mint, token in tokens.items():
            self._tokens.pop(mint, None)
            self._tokens[mint] = token
        while len(self._tokens) > _REMEMBERED:
            del self._tokens[next(iter(self._tokens))]

    def _event(self, each: Lifecycle) -> LaunchpadEventView:
        assert each.token is not None
        self.remember({each.token.mint: each.token})
        return _event_view(self._context, each, each.token)


def _event_view(context: Context, each: Lifecycle, token: TokenRecord) -> LaunchpadEventView:
    record = each.record
    return LaunchpadEventView(
        key=f"{_TYPES[each.kind].name}:{record.sequence}",
        cursor=_cursor(context, each),
        type=_TYPES[each.kind],
        token=token,
        curve_progress=_progress(record, token),
        graduation=record if isinstance(record, GraduationRecord) else None,
        signature=record.signature,
        slot=record.slot,
        timestamp=record.block_time,
        commitment=record.commitment,
    )


def _cursor(context: Context, each: Lifecycle) -> str:
    record = each.record
    identity = b"" if isinstance(record, Milestone) else record.identity
    return context.cursors.encode(record.sequence, record.block_time, record.position, identity)


def _progress(record: Milestone | GraduationRecord | TradeRecord, token: TokenRecord) -> float:
    """Nothing of a curve is sold at its launch, and all of it when it is complete."""
    if isinstance(record, TradeRecord):
        return float(Traded(record, Moment(0, None, {}, {token.mint: token})).progress)
    is_launch = isinstance(record, Milestone) and record.kind is RecordKind.LAUNCH
    return 0.0 if is_launch else 1.0


def _gone(gone: Withdrawn, token: TokenRecord, cursor: str) -> LaunchpadEventView:
    return LaunchpadEventView(
        key=f"{LaunchpadEventType.ROLLED_BACK.name}:{gone.kind.name}:{gone.sequence}",
        cursor=cursor,
        type=LaunchpadEventType.ROLLED_BACK,
        token=token,
        curve_progress=None if token.curve is None else float(progress(token.curve)),
        slot=gone.slot,
        timestamp=gone.block_time,
        commitment=Commitment.PROCESSED,
    )


async def launchpad_stream_plan(
    context: Context,
    chosen: Chosen,
    start: StreamStart | None,
    delivery: StreamDelivery | None,
    commitment: Commitment | None,
) -> Plan[Lifecycle]:
    """Raises InvalidInput, CursorInvalid, CursorExpired."""
    options = options_of(delivery)
    condition = chosen.condition(context)
    after, parts = await begin(context, await chosen.parts(context), start)
    packing = PackedLifecycle(context, chosen, options.max_batch)

    async def withdrawn(first: int, last: int) -> Sequence[Withdrawn]:
        gone = await read_withdrawn(context.engine, first, last)
        known = await context.loaders.read(read_tokens, sorted({each.mint for each in gone}))
        packing.remember(known)
        moment = Moment(last, context.hub.head, context.hub.rates, known)
        return [each for each in gone if each.mint in known and chosen.selects(context, known[each.mint], moment)]

    return Plan(
        commitment=commitment or Commitment.CONFIRMED,
        router=lambda feed: feed.lifecycle,
        condition=condition,
        packing=packing,
        sequence_of=lambda each: each.record.sequence,
        cursor_at=partial(cursor_at, context),
        key_of=lambda each: (each.record.mint, each.kind),
        merge=(lambda _older, newer: newer) if is_conflated(delivery) else None,
        after=after,
        read=lambda first, last: read_lifecycle(context, parts, first, last),
        read_withdrawn=withdrawn,
        page=PAGE,
        options=options,
    )


async def launchpad_event_at(context: Context, key: str) -> LaunchpadEventView | None:
    """The event of a global id; None where there is none, also where a fork took it away."""
    name, _, sequence = key.partition(":")
    if name not in LaunchpadEventType.__members__ or not (sequence.isdecimal() and len(sequence) <= _MAX_DIGITS):
        return None
    chosen = Chosen.of([LaunchpadEventType[name]], None)
    found = await read_lifecycle(context, await chosen.parts(context), int(sequence) - 1, int(sequence))
    return next((_event_view(context, each, each.token) for each in found if each.token is not None), None)
