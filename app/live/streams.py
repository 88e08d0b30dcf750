"""Stored records first, then live ones, without a gap or a twin at the seam.

The seam holds because the hub moves its `sequence` in one step with what it hands out: a mailbox that joins at sequence
S gets exactly what comes after S, and the store is read up to S and no further.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.domain.records import GraduationRecord, TokenRecord, TradeRecord
from app.live.hub import ALL, Hub
from app.live.keys import TokenState
from app.live.mailbox import Latest, Mailbox
from app.live.topics import Topic
from app.store.feed import PAGE, read_launched_tokens, read_mint_trades, read_stored_graduations, read_token_state

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stream(Generic[T]):
    """One kind of record, live and stored."""

    topic: Topic[T]
    key: str
    read: Callable[[int, int], Awaitable[list[T]]]
    """At most `PAGE` stored records with a sequence in (after, last], in feed order."""
    sequence: Callable[[T], int]


def mint_trades(hub: Hub, mint: str) -> Stream[TradeRecord]:
    """Trades of one mint."""
    return Stream(
        hub.trades,
        mint,
        lambda after, last: read_mint_trades(hub.engine, mint, after, last),
        lambda each: each.sequence,
    )


def launches(hub: Hub) -> Stream[TokenRecord]:
    """Tokens as they were launched; stored ones come with their newest state."""
    return Stream(hub.launches, ALL, lambda after, last: read_launched_tokens(hub.engine, after, last), launch_sequence)


def all_graduations(hub: Hub) -> Stream[GraduationRecord]:
    """Every graduation."""
    return Stream(
        hub.graduations,
        ALL,
        lambda after, last: read_stored_graduations(hub.engine, after, last),
        lambda each: each.sequence,
    )


def launch_sequence(token: TokenRecord) -> int:
    """Feed position of a launched token."""
    return token.launch_sequence or 0


async def follow(hub: Hub, stream: Stream[T], after: int | None, mailbox_size: int) -> AsyncGenerator[T, None]:
    """Every record after sequence `after` (None: from now on), in feed order, for as long as the hub lives.

    Raises Overflow when the consumer falls `mailbox_size` records behind the live feed, Closed when the hub ends.
    """
    last = hub.sequence if after is None else after
    if after is not None:
        # However much is stored, it is read in pages and without a mailbox, which it would overflow.
        async for record in _stored(stream, last, hub.sequence):
            last = stream.sequence(record)
            yield record
    with stream.topic.join(stream.key, Mailbox(mailbox_size)) as mailbox:
        async for record in _stored(stream, last, hub.sequence):
            last = stream.sequence(record)
            yield record
        while True:
            record = await mailbox.get()
            # Another process may be ahead of this one, and its cursor with it.
            if stream.sequence(record) > last:
                yield record


async def _stored(stream: Stream[T], after: int, last: int) -> AsyncGenerator[T, None]:
    while after < last:
        page = await stream.read(after, last)
        for record in page:
            yield record
        after = stream.sequence(page[-1]) if len(page) == PAGE else last


async def follow_token(
    hub: Hub, mint: str, *, interval_seconds: float, snapshot: bool, mailbox_size: int
) -> AsyncGenerator[TokenRecord, None]:
    """The current state of a token (with `snapshot`, and when it is indexed), then each change (interval 0), or the
    newest state at most once per interval.

    Raises Closed when the hub ends, and with interval 0 Overflow when the consumer falls behind.
    """
    mailbox: Mailbox[TokenState] = Latest() if interval_seconds else Mailbox(mailbox_size)
    newest = TokenState(-1, None)
    with hub.tokens.join(mint, mailbox):
        if snapshot:
            newest = TokenState(*await read_token_state(hub.engine, mint))
        if newest.token is not None:
            yield newest.token
        while True:
            if newest.token is not None:
                await asyncio.sleep(interval_seconds)
            state = await mailbox.get()
            # What was stored before the snapshot was read may still be on its way.
            if state.sequence >= newest.sequence and state.token is not None and state.token != newest.token:
                newest = state
                yield state.token
