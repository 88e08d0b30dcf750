"""The root type Subscription: sources of records, each with the cursor after it and the context it is executed in."""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from decimal import Decimal
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import strawberry

from app.domain.records import GraduationRecord, TokenRecord, TradeRecord
from app.errors import CursorInvalid, InvalidInput, Lagged
from app.live.mailbox import Overflow
from app.live.streams import Stream, all_graduations, follow, follow_token, launch_sequence, launches, mint_trades
from app.schema.arguments import check_address
from app.schema.context import Context, Info
from app.schema.graduations import GraduationEvent
from app.schema.loaders import fresh_rates
from app.schema.tokens import Token
from app.schema.trades import Trade
from app.store.feed import read_head

_DEFAULT_INTERVAL_MS: Final = 100
_MAX_INTERVAL_MS: Final = 60_000
R = TypeVar("R", TradeRecord, TokenRecord, GraduationRecord)

# What resolvers really yield is a `Delivery`; the annotation is what Strawberry reads the GraphQL type from.
_Source = AsyncGenerator[Any, None]


class Delivery(NamedTuple):
    """One event of a subscription."""

    value: object
    """Root value of its execution."""
    cursor: str | None
    """Resume point after it; None where the stream has none."""
    context: Context
    """Of this execution: empty loaders, primed with what is in memory."""


def _about(description: str) -> Any:
    return strawberry.argument(description=description)


_Mint = Annotated[str, _about("Mint address.")]


async def _trades(
    info: Info,
    mint_address: _Mint,
    after: Annotated[
        str | None,
        _about("Resume strictly after this `Trade.cursor`: stored trades first, then live, without gap or duplicate."),
    ] = strawberry.UNSET,
) -> AsyncGenerator[Trade, None]:
    stream = mint_trades(info.context.hub, check_address(mint_address, "mintAddress"))
    return await _resumable(info.context, stream, after, _record_cursor)


async def _token_update(
    info: Info,
    mint_address: _Mint,
    interval_ms: Annotated[
        int | None,
        _about("Send at most one update per so many milliseconds, always the newest; 0 sends every change."),
    ] = _DEFAULT_INTERVAL_MS,
    snapshot: Annotated[bool | None, _about("Whether to send the current value at once.")] = True,
) -> AsyncGenerator[Token, None]:
    mint = check_address(mint_address, "mintAddress")
    return _updates(info.context, mint, _interval_seconds(interval_ms), snapshot is not False)


async def _new_tokens(
    info: Info,
    after: Annotated[
        str | None, _about("Resume strictly after this cursor, as given in the payload's `extensions.cursor`.")
    ] = strawberry.UNSET,
) -> AsyncGenerator[Token, None]:
    return await _resumable(info.context, launches(info.context.hub), after, _launch_cursor)


async def _graduations(
    info: Info,
    after: Annotated[str | None, _about("Resume strictly after this `GraduationEvent.cursor`.")] = strawberry.UNSET,
) -> AsyncGenerator[GraduationEvent, None]:
    return await _resumable(info.context, all_graduations(info.context.hub), after, _record_cursor)


@strawberry.type(
    description="Pushes. Every field may be opened over graphql-transport-ws, SSE and multipart HTTP; "
    "every field resumes by cursor."
)
class Subscription:
    """The resolvers run once, when the subscription is opened: wrong arguments are refused then."""

    trades = strawberry.subscription(resolver=_trades, description="Real-time trade updates of one token.")
    token_update = strawberry.subscription(
        resolver=_token_update,
        description="Token updates (price, volume, etc): the current value at once, then every change.",
    )
    new_tokens = strawberry.subscription(resolver=_new_tokens, description="New token launches.")
    graduations = strawberry.subscription(resolver=_graduations, description="Graduation events.")


async def _resumable(
    context: Context, stream: Stream[R], after: str | None, cursor_of: Callable[[Context, R], str]
) -> _Source:
    """Raises CursorInvalid at once. The source raises Lagged with the cursor to resume from."""
    if not after:
        return _deliveries(context, stream, None, context.cursors.encode(context.hub.sequence, 0, 0, b""), cursor_of)
    sequence = context.cursors.decode(after).sequence
    await _check_stored(context, sequence)
    return _deliveries(context, stream, sequence, after, cursor_of)


async def _check_stored(context: Context, sequence: int) -> None:
    """Raises CursorInvalid for a place that this store has not come to: it was restored from an older backup, and going
    on from there would pass over all that is stored from now on until then."""
    if sequence <= context.hub.sequence:
        return
    # Another process may be ahead of this one, but never of the store.
    head = await read_head(context.engine)
    if head is None or sequence > head.sequence:
        raise CursorInvalid(
            "This cursor is past the end of what this server holds: its store was restored from an older state. "
            "Leave the cursor out to start afresh."
        )


async def _deliveries(
    context: Context, stream: Stream[R], after: int | None, cursor: str, cursor_of: Callable[[Context, R], str]
) -> _Source:
    try:
        async with aclosing(follow(context.hub, stream, after, context.settings.mailbox_size)) as records:
            async for record in records:
                cursor = cursor_of(context, record)
                yield Delivery(record, cursor, _fresh(context, record))
    except Overflow:
        raise Lagged(_lagged(context), cursor) from None


async def _updates(context: Context, mint: str, interval_seconds: float, snapshot: bool) -> _Source:
    states = follow_token(
        context.hub,
        mint,
        interval_seconds=interval_seconds,
        snapshot=snapshot,
        mailbox_size=context.settings.mailbox_size,
    )
    try:
        async with aclosing(states):
            async for token in states:
                yield Delivery(token, None, _fresh(context, token))
    except Overflow:
        raise Lagged(_lagged(context)) from None


def _fresh(context: Context, record: TradeRecord | TokenRecord | GraduationRecord) -> Context:
    tokens = (record,) if isinstance(record, TokenRecord) else ()
    return context.fresh(head=context.hub.head, rates=known_rates(context), tokens=tokens)


def known_rates(context: Context) -> Mapping[str, Decimal]:
    """US dollars per whole quote token, of the rates that the hub holds and that are fresh at its head."""
    head = context.hub.head
    return fresh_rates(context.hub.rates.values(), head.point.time if head else 0, context.settings)


def _record_cursor(context: Context, record: TradeRecord | GraduationRecord) -> str:
    return context.cursors.encode(record.sequence, record.block_time, record.position, record.identity)


def _launch_cursor(context: Context, token: TokenRecord) -> str:
    return context.cursors.encode(launch_sequence(token), token.created_at, 0, b"")


def _interval_seconds(interval_ms: int | None) -> float:
    milliseconds = _DEFAULT_INTERVAL_MS if interval_ms is None else interval_ms
    if not 0 <= milliseconds <= _MAX_INTERVAL_MS:
        raise InvalidInput(f"`intervalMs` must be 0 to {_MAX_INTERVAL_MS:,}.")
    return milliseconds / 1_000


def _lagged(context: Context) -> str:
    size = context.settings.mailbox_size
    return f"More than {size:,} records were waiting and the subscription was ended. Resume after `extensions.cursor`."
