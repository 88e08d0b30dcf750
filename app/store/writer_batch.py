"""One batch in one transaction: what arrives is judged new or known, numbered, stored, and told as a `Batch`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import asyncpg

from app.domain.events import Event, Rate, Trade, unpack_position
from app.domain.facts import TokenFacts
from app.domain.records import Batch
from app.domain.slots import Gap, SlotRange
from app.store.checkpoints import Checkpoint, store_checkpoint
from app.store.dead_letters import DeadLetter, keep_dead_letters
from app.store.gaps import change_gaps
from app.store.writer_accounts import (
    Balance,
)
from app.store.writer_events import Books, OneBatch
from app.store.writer_feed import FeedState, store_feed
from app.store.writer_journal import Journal, name_of, settled_slot
from app.store.writer_rates import newest, store_rates
from app.store.writer_rows import ChainKey
from app.store.writer_states import (
    chain_key,
)
from app.store.writer_trades import Arrived, NewTrade
from app.store.writer_undo import undo


@dataclass(slots=True)
class Work:
    """What is to be stored together; it may be empty but for the checkpoint."""

    events: list[Event] = field(default_factory=list)
    """In order of arrival."""
    balances: list[Balance] = field(default_factory=list)
    """Of mints that `events` speak of."""
    rates: list[Rate] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    checkpoint: Checkpoint | None = None
    retracted: list[int] = field(default_factory=list)
    """Slots that left the chain; withdrawn before `events` are stored."""
    complete: list[SlotRange] = field(default_factory=list)
    missing: list[Gap] = field(default_factory=list)
    facts: list[TokenFacts] = field(default_factory=list)
    """Of tokens that are stored; they fill what is not known and overwrite nothing."""
    finalized_slot: int | None = None
    tip_slot: int | None = None
    arrived_at: float = 0.0
    arrived: list[Arrived] | None = None
    """`arrive` of the events, where it was called before."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a commit did."""

    batch: Batch
    stored: int
    """Events that were new."""
    duplicates: int
    """Events that were stored already."""
    dead_letters: int
    """Dead letters that were new."""


def arrive(events: Iterable[Event]) -> list[Arrived]:
    """What the writer needs of events and can be made without the store."""
    arrived: list[Arrived] = []
    for event in events:
        key = chain_key(event)
        arrived.append((event, key, NewTrade(event, key) if isinstance(event, Trade) else None))
    return arrived


async def store(connection: asyncpg.Connection, books: Books, feed: FeedState, work: Work) -> tuple[Stored, FeedState]:
    """Stores everything inside the caller's transaction; returns it with the feed's new state."""
    world, journal = books.world, books.journal
    fresh_rates = books.rates.learn(work.rates)
    await store_rates(connection, fresh_rates)
    arrived, passed_over = _distinct(arrive(work.events) if work.arrived is None else work.arrived)
    world.begin()
    undone = await undo(connection, books.world, books.accounts, journal, feed, work.retracted, arrived)
    arrived = _placed(journal, arrived, passed_over)
    balances = _balances(work.balances, arrived, passed_over)
    await world.load(connection, {event.mint for event, _, _ in arrived} | {facts.mint for facts in work.facts})
    await world.learn_wallets(connection, _wallets(arrived, balances))
    rewound = undone.feed
    state = rewound.after([event for event, _, _ in arrived], work.finalized_slot)
    state = state.read_to(work.tip_slot, work.complete)
    head = (rewound.time, rewound.slot, int(rewound.commitment))
    await journal.begin(connection, head, settled_slot(state.finalized_slot, state.slot))
    one = OneBatch(connection, books, rewound.sequence, state.finalized_slot)
    changed = await one.store_events(arrived, balances)
    one.fill(work.facts)
    batch_tokens = await one.store_states(changed)
    state = replace(state, sequence=one.sequence)
    await change_gaps(connection, [*work.missing, *undone.missed], work.complete, feed.source)
    await store_feed(connection, state)
    if work.checkpoint is not None:
        await store_checkpoint(connection, work.checkpoint)
    letters = await keep_dead_letters(connection, work.dead_letters)
    batch = Batch(
        previous_sequence=feed.sequence,
        first_sequence=feed.sequence + 1,
        last_sequence=one.sequence,
        trades=tuple(one.records),
        launches=tuple(one.launches),
        graduations=tuple(one.graduation_records()),
        milestones=tuple(one.milestones),
        tokens=batch_tokens,
        rolled_back=tuple(undone.withdrawn),
        rates=newest(fresh_rates),
        head=state.head,
        confirmed=tuple(one.confirmed),
        arrived_at=work.arrived_at,
    )
    return Stored(batch, one.taken, len(work.events) - one.taken, letters), state


def _distinct(arrived: Iterable[Arrived]) -> tuple[list[Arrived], list[Arrived]]:
    """Each event once, as the most certain says it; and those that say it less certainly in another place."""
    seen: dict[bytes, Arrived] = {}
    passed_over = []
    for each in arrived:
        known = seen.setdefault(name := name_of(each[0], each[1]), each)
        if known is each:
            continue
        kept, less = (each, known) if each[0].commitment > known[0].commitment else (known, each)
        seen[name] = kept
        if less[1] != kept[1]:
            passed_over.append(less)
    return list(seen.values()), passed_over


def _placed(journal: Journal, arrived: Sequence[Arrived], passed_over: list[Arrived]) -> list[Arrived]:
    """Without the events that are stored in another place: they are the same, met on two forks. Those are added to
    `passed_over`, and all of it is noted."""
    if journal.is_empty and not passed_over:
        return list(arrived)
    found: list[Arrived] = []
    for each in arrived:
        place = journal.place(name_of(each[0], each[1]))
        (found if place is None or place.key == each[1] else passed_over).append(each)
    for event, key, _ in passed_over:
        journal.missed(name_of(event, key), event.slot)
    return found


def _balances(
    balances: Sequence[Balance], arrived: Sequence[Arrived], passed_over: Sequence[Arrived]
) -> Sequence[Balance]:
    """Without those of transactions that were passed over."""
    if not passed_over:
        return balances
    kept = {_place(key, event.mint) for event, key, _ in arrived}
    left = {_place(key, event.mint) for event, key, _ in passed_over} - kept
    return [each for each in balances if (place := _place(each.key, each.held.mint)) is None or place not in left]


def _place(key: ChainKey, mint: str) -> tuple[int, int, str] | None:
    """Of a transaction and one of its mints; None where its index is not known, which others of the slot share."""
    slot, transaction, _ = unpack_position(key[1])
    return None if transaction is None else (slot, transaction, mint)


def _wallets(arrived: Iterable[Arrived], balances: Iterable[Balance]) -> set[str]:
    return {trade.event.trader for _, _, trade in arrived if trade is not None} | {each.held.owner for each in balances}
