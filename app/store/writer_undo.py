"""The part of a batch that comes before its events: what left the chain is withdrawn, and the feed goes back."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import asyncpg

from app.domain.events import unpack_position
from app.domain.records import Withdrawn
from app.domain.slots import Gap, SlotRange
from app.store.writer_accounts import AccountBook
from app.store.writer_feed import FeedState
from app.store.writer_forks import Fork, History, check_depth, store_withdrawn, withdraw
from app.store.writer_journal import Journal, name_of, settled_slot
from app.store.writer_trades import Arrived
from app.store.writer_world import World

_NEWEST = """
SELECT extract(epoch FROM block_time)::bigint AS time, position, commitment FROM trades
ORDER BY block_time DESC, commitment DESC LIMIT 1
"""
_LOST = "a transaction of it was first met in a block that left the chain"


@dataclass(frozen=True, slots=True)
class Undone:
    """What was withdrawn, and the feed as it is without it."""

    feed: FeedState
    withdrawn: list[Withdrawn] = field(default_factory=list)
    missed: list[Gap] = field(default_factory=list)
    """Slots that hold withdrawn transactions too, which were not stored from there."""


async def undo(
    connection: asyncpg.Connection,
    world: World,
    accounts: AccountBook,
    journal: Journal,
    feed: FeedState,
    retracted: Sequence[int],
    arrived: Sequence[Arrived],
) -> Undone:
    """Withdraws the retracted slots, and the events that `arrived` has, more certain, in another place than stored.

    Raises ForkTooDeep when a slot is final.
    """
    check_depth(retracted, settled_slot(feed.finalized_slot, feed.slot), is_kept=journal.is_kept)
    fork = Fork(frozenset(retracted), frozenset(_moved(journal, arrived)))
    if not fork:
        return Undone(feed)
    _note_moved(journal, fork)
    history, withdrawn = await withdraw(connection, world, accounts, journal, fork)
    if not withdrawn:
        return Undone(feed)
    sequence = await store_withdrawn(connection, feed.sequence, history, withdrawn)
    rewound = await _rewound(connection, feed, history, fork)
    return Undone(replace(rewound, sequence=sequence), withdrawn, _missed(journal, history, fork, arrived))


def _moved(journal: Journal, arrived: Sequence[Arrived]) -> set[bytes]:
    found: set[bytes] = set()
    if journal.is_empty:
        return found
    for event, key, _ in arrived:
        place = journal.place(name := name_of(event, key))
        if place is not None and place.key != key and event.commitment > place.commitment:
            found.add(name)
    return found


def _note_moved(journal: Journal, fork: Fork) -> None:
    """What moves was in its former slot too, which may come back to the chain."""
    for name in fork.names:
        place = journal.place(name)
        if place is not None and place.slot not in fork.slots:
            journal.missed(name, place.slot)


async def _rewound(connection: asyncpg.Connection, feed: FeedState, history: History, fork: Fork) -> FeedState:
    places = [history.head]
    places += [(event.block_time, event.slot, int(event.commitment)) for event, _, _ in history.kept]
    newest = await connection.fetchrow(_NEWEST)
    if newest is not None:
        places.append((newest["time"], unpack_position(newest["position"])[0], newest["commitment"]))
    return feed.rewound(places, fork.slots)


def _missed(journal: Journal, history: History, fork: Fork, arrived: Sequence[Arrived]) -> list[Gap]:
    come = {name_of(event, key) for event, key, _ in arrived}
    gone = {name_of(entry.event, entry.key) for entry in history.gone}
    lost = journal.elsewhere(gone - come) - fork.slots
    return [Gap(SlotRange(slot, slot), _LOST) for slot in sorted(lost)]
