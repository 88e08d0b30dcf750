"""Slots that left the chain: everything stored of them is withdrawn, and what they touched is as if they never were.

States are not reckoned back but made again, from how they were before anything that may still be withdrawn and the
events since that remain (`writer_journal`): every fact follows the same rules as when it was first stored.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field

import asyncpg

from app.domain.events import Completion, Event, Launch, Migration, PoolCreation, Trade, unpack_position
from app.domain.money import multiply
from app.domain.records import RecordKind, Withdrawn
from app.errors import ForkTooDeep
from app.store.writer_accounts import AccountBook, Balance
from app.store.writer_events import beside
from app.store.writer_fork_accounts import restore_accounts
from app.store.writer_fork_trades import remove_trades
from app.store.writer_journal import AccountBase, Entry, Journal, Page, TokenBase, name_of
from app.store.writer_milestones import remove_milestones
from app.store.writer_rows import ChainKey, VenueRow
from app.store.writer_states import (
    TokenState,
    apply,
    chain_key,
    confirm,
    new_token,
    new_venue,
    note_extremes,
    note_venue,
    venues_of,
)
from app.store.writer_trades import spot_after
from app.store.writer_world import World

_KINDS: Mapping[type, RecordKind] = {
    Trade: RecordKind.TRADE,
    Launch: RecordKind.LAUNCH,
    Completion: RecordKind.COMPLETION,
    Migration: RecordKind.GRADUATION,
    PoolCreation: RecordKind.POOL,
}


@dataclass(frozen=True, slots=True)
class Fork:
    """What is to be withdrawn: all of some slots, and single events that are in another slot now."""

    slots: frozenset[int]
    names: frozenset[bytes] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.slots or self.names)


@dataclass(slots=True)
class History:
    """What the journal holds, divided by a fork."""

    head: tuple[int, int, int]
    tokens: dict[str, TokenBase] = field(default_factory=dict)
    accounts: dict[tuple[int, str], AccountBase] = field(default_factory=dict)
    kept: list[Entry] = field(default_factory=list)
    gone: list[Entry] = field(default_factory=list)
    confirmed: list[Event] = field(default_factory=list)
    """Events that were stored before the journal begins, and came again, more certain."""
    kept_balances: list[Balance] = field(default_factory=list)
    gone_balances: list[Balance] = field(default_factory=list)

    @property
    def mints(self) -> set[str]:
        """Of tokens that lose something."""
        return {entry.event.mint for entry in self.gone}

    def page(self) -> Page:
        """What is left of it, as one page."""
        page = Page(self.head, list(self.tokens.values()), list(self.accounts.values()))
        for entry in self.kept:
            page.add(entry)
        for event in self.confirmed:
            page.confirm(event)
        page.balances = [(*balance.key, balance.held) for balance in self.kept_balances]
        return page


def check_depth(slots: Iterable[int], settled_slot: int, *, is_kept: bool) -> None:
    """Raises ForkTooDeep when a slot is final, or when nothing is kept that could take it back."""
    deep = sorted(slot for slot in slots if slot <= settled_slot or not is_kept)
    if not deep:
        return
    why = f"slots up to {settled_slot} are final" if is_kept else "a simulated market has no forks"
    raise ForkTooDeep(
        f"slot {deep[0]} is said to have left the chain, but {why}. Nothing was deleted. Is every node of the same "
        "cluster, and is this database of that cluster? If a node was wrong, leave it out and start again."
    )


async def withdraw(
    connection: asyncpg.Connection, world: World, accounts: AccountBook, journal: Journal, fork: Fork
) -> tuple[History, list[Withdrawn]]:
    """Takes the fork back inside the caller's transaction. The touched tokens are in `world.touched`, to be stored with
    the batch; all else is stored."""
    history = divide(await journal.read(connection), fork)
    if not history.gone:
        return history, []
    await world.load(connection, history.mints)
    withdrawn = await _withdraw(connection, world, accounts, history)
    await journal.rewrite(connection, history.page())
    await connection.execute("DELETE FROM dead_letters WHERE slot = ANY($1) AND resolved_at IS NULL", list(fork.slots))
    return history, withdrawn


async def _withdraw(
    connection: asyncpg.Connection, world: World, accounts: AccountBook, history: History
) -> list[Withdrawn]:
    former = {mint: state for mint in history.mints if (state := world.token(mint)) is not None}
    trades = [(entry.event, entry.key) for entry in history.gone if isinstance(entry.event, Trade)]
    removed, states = await beside(remove_trades(connection, trades), lambda: _rebuilt(former, history))
    sequences = _sequences(former, history.gone) | removed
    await remove_milestones(connection, sequences.values())
    for mint, state in states.items():
        world.replace(mint, state)
    await restore_accounts(connection, world, accounts, former, history)
    await _delete_rows(connection, former, states)
    world.firsts.forget()
    dropped = {former[mint].row.id for mint, state in states.items() if state is None}
    history.tokens = {mint: base for mint, base in history.tokens.items() if states.get(mint, base) is not None}
    history.accounts = {key: base for key, base in history.accounts.items() if key[0] not in dropped}
    return [_withdrawn(entry, sequences) for entry in history.gone]


def divide(pages: Sequence[Page], fork: Fork) -> History:
    """The journal as one, what the fork takes apart from what remains."""
    history = History(pages[0].head if pages else (0, 0, 0))
    entries: dict[bytes, Entry] = {}
    for page in pages:
        for token in page.tokens:
            history.tokens.setdefault(token.mint, token)
        for account in page.accounts:
            history.accounts.setdefault((account.token_id, account.account), account)
        for entry in page.entries():
            entries[entry.key[2]] = entry
        for event in page.confirmations():
            if (known := entries.get(event.identity)) is not None:
                entries[event.identity] = Entry(event, known.key, known.quote_usd)
            else:
                history.confirmed.append(event)
    gone_places = set()
    for entry in entries.values():
        is_moved = bool(fork.names) and name_of(entry.event, entry.key) in fork.names
        (history.gone if is_moved or entry.event.slot in fork.slots else history.kept).append(entry)
        if is_moved:
            gone_places.add(_place(entry.event.position))
    for balance in (balance for page in pages for balance in page.held()):
        place = _place(balance.key[1])
        is_gone = place[0] in fork.slots or place in gone_places
        (history.gone_balances if is_gone else history.kept_balances).append(balance)
    return history


async def store_withdrawn(
    connection: asyncpg.Connection, sequence: int, history: History, withdrawn: Iterable[Withdrawn]
) -> int:
    """Tells it in the feed, a sequence for each slot; returns the newest one."""
    by_slot: dict[int, list[Withdrawn]] = {}
    for entry, record in zip(history.gone, withdrawn, strict=True):
        by_slot.setdefault(entry.event.slot, []).append(record)
    rows = [
        (number, slot, [int(each.kind) for each in found], [each.sequence for each in found],
         [each.mint for each in found], [each.block_time for each in found], [each.identity for each in found])
        for number, (slot, found) in enumerate(sorted(by_slot.items()), sequence + 1)
    ]  # fmt: skip
    await connection.executemany(
        "INSERT INTO retractions (sequence, slot, kinds, sequences, mints, block_times, identities)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        rows,
    )
    return sequence + len(rows)


def _rebuilt(former: Mapping[str, TokenState], history: History) -> dict[str, TokenState | None]:
    """Every touched token as it is without the fork; None where nothing is left of it."""
    kept: dict[str, list[Entry]] = {mint: [] for mint in former}
    for entry in history.kept:
        if entry.event.mint in kept:
            kept[entry.event.mint].append(entry)
    states = {mint: _rebuild(state, history.tokens[mint], kept[mint]) for mint, state in former.items()}
    for event in history.confirmed:
        if (rebuilt := states.get(event.mint)) is not None:
            confirm(rebuilt, event, chain_key(event))
    return states


def _rebuild(former: TokenState, base: TokenBase, kept: Sequence[Entry]) -> TokenState | None:
    if base.row is None and not kept:
        return None
    row = new_token(former.row.id, kept[0].event) if base.row is None else copy(base.row)
    state = TokenState(row, {venue.address: copy(venue) for venue in base.venues})
    state.graduations = {graduation.identity: copy(graduation) for graduation in base.graduations}
    for entry in kept:
        _meet(state, former, entry.event, entry.key)
        _take(state, entry)
    row.holders = former.row.holders  # follows from the accounts, which come after
    return state


def _meet(state: TokenState, former: TokenState, event: Event, key: ChainKey) -> None:
    """Gives the event its venues, under the ids that they have, and the numbers that the feed gave it."""
    for address, protocol, kind in venues_of(event):
        if address not in state.venues:
            known: VenueRow = former.venues[address]
            state.venues[address] = new_venue(known.id, state.row.id, address, protocol, kind, event, key)
        note_venue(state.venues[address], event, key)
    match event:
        case Launch():
            state.row.launch_signature = former.row.launch_signature
            state.row.launch_sequence = former.row.launch_sequence
        case Completion():
            state.row.completed_sequence = former.row.completed_sequence
        case Migration():
            state.graduations[key[2]] = former.graduations[key[2]]


def _take(state: TokenState, entry: Entry) -> None:
    event, key = entry.event, entry.key
    apply(state, event, key)
    if isinstance(event, Trade) and entry.quote_usd is not None:
        spot = spot_after(event)
        if spot is not None:
            note_extremes(state.row, multiply(spot, entry.quote_usd), key[0])


async def _delete_rows(
    connection: asyncpg.Connection,
    former: Mapping[str, TokenState],
    states: Mapping[str, TokenState | None],
) -> None:
    """Deletes graduations, venues and tokens of which nothing is left."""
    graduations, venues, tokens = [], [], []
    for mint, before in former.items():
        after = states[mint]
        graduations += [key for key in before.graduations if after is None or key not in after.graduations]
        venues += [venue.id for address, venue in before.venues.items() if after is None or address not in after.venues]
        tokens += [before.row.id] if after is None else []
    await connection.execute("DELETE FROM graduations WHERE identity = ANY($1)", graduations)
    await connection.execute("DELETE FROM venues WHERE id = ANY($1)", venues)
    for table, column in (("token_accounts", "token_id"), ("token_stats", "token_id"), ("tokens", "id")):
        await connection.execute(f"DELETE FROM {table} WHERE {column} = ANY($1)", tokens)


def _sequences(former: Mapping[str, TokenState], gone: Iterable[Entry]) -> dict[bytes, int]:
    found: dict[bytes, int] = {}
    for event, (_, _, identity), _ in gone:
        state = former[event.mint]
        match event:
            case Launch():
                found[identity] = state.row.launch_sequence or 0
            case Completion():
                found[identity] = state.row.completed_sequence or 0
            case Migration():
                found[identity] = state.graduations[identity].sequence
    return found


def _withdrawn(entry: Entry, sequences: Mapping[bytes, int]) -> Withdrawn:
    event, (time, _, identity), _ = entry
    return Withdrawn(_KINDS[type(event)], sequences.get(identity, 0), event.mint, time, identity, event.slot)


def _place(position: int) -> tuple[int, int | None]:
    slot, transaction, _ = unpack_position(position)
    return slot, transaction
