"""What was stored above the finalized slot, so that it can be taken back: how rows were before, and every event since.

Pages are grouped into generations. In the first page of a generation that touches a token or an account stands how its
row was before; from then on each event of it is kept. Whatever is withdrawn lies above the finalized slot, and the
oldest generation that is kept began at or below it: so the rows before it, with the events since but those that left,
are what a run that never saw the fork would have. A generation lasts some 32 slots, as long as finality needs; two or
three are kept, and a batch in which everything is final writes nothing here.
"""

from collections.abc import Iterable, Sequence
from copy import copy
from decimal import Decimal
from typing import Any, NamedTuple

import asyncpg
import msgspec

from app.domain.events import (
    Completion,
    Event,
    Launch,
    Migration,
    PoolCreation,
    TokenBalance,
    Trade,
    pack_position,
    unpack_position,
)
from app.store.writer_accounts import AccountKey, Balance
from app.store.writer_rows import AccountRow, ChainKey, GraduationRow, TokenRow, VenueRow
from app.store.writer_states import TokenState, chain_key

_GENERATION_SLOTS = 32
_UNSETTLED_SLOTS = 300
"""How far behind the head a fork may reach where no source tells what is final."""
_KINDS: tuple[type[Event], ...] = (Trade, Launch, Completion, Migration, PoolCreation)
_NUMBERS: dict[type, int] = {kind: number for number, kind in enumerate(_KINDS)}
_FIELDS: dict[type, tuple[str, ...]] = {kind: kind.__struct_fields__ for kind in _KINDS}


class Place(NamedTuple):
    """Where an event that may still be withdrawn is stored."""

    key: ChainKey
    commitment: int

    @property
    def slot(self) -> int:
        return unpack_position(self.key[1])[0]


class Entry(NamedTuple):
    """An event as it was stored."""

    event: Event
    key: ChainKey
    quote_usd: Decimal | None
    """Of a trade: the rate that is kept with it."""


class TokenBase(msgspec.Struct, array_like=True, gc=False):
    """A token before its first event of a generation; `row` is None where it was not stored."""

    mint: str
    row: TokenRow | None
    venues: list[VenueRow]
    graduations: list[GraduationRow]


class AccountBase(msgspec.Struct, array_like=True, gc=False):
    """A token account before its first balance of a generation; `row` is None where it was not stored."""

    token_id: int
    account: str
    row: AccountRow | None


class Page(msgspec.Struct, array_like=True, gc=False):
    """What one batch adds."""

    head: tuple[int, int, int]
    """Time, slot and commitment of the feed's head before it."""
    tokens: list[TokenBase] = []
    accounts: list[AccountBase] = []
    events: list[tuple[int, Decimal | None, list[Any]]] = []
    confirmed: list[tuple[int, list[Any]]] = []
    """Events that came again, more certain."""
    balances: list[tuple[int, int, bytes, TokenBalance]] = []
    elsewhere: list[tuple[bytes, int]] = []
    """Names of events and other slots in which they came too."""

    @property
    def is_empty(self) -> bool:
        return not (self.events or self.confirmed or self.balances or self.elsewhere)

    def add(self, entry: Entry) -> None:
        kind, values = _values(entry.event)
        self.events.append((kind, entry.quote_usd, values))

    def confirm(self, event: Event) -> None:
        self.confirmed.append(_values(event))

    def entries(self) -> list[Entry]:
        read = [(_event(kind, values), quote_usd) for kind, quote_usd, values in self.events]
        return [Entry(event, chain_key(event), quote_usd) for event, quote_usd in read]

    def confirmations(self) -> list[Event]:
        return [_event(kind, values) for kind, values in self.confirmed]

    def held(self) -> list[Balance]:
        return [Balance((time, position, name), held) for time, position, name, held in self.balances]


class _Generation(NamedTuple):
    number: int
    head_slot: int
    """Where the feed was when it began: what was stored before it has no slot above that."""
    places: dict[bytes, Place]
    """By `name_of` the event."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Page)


class Journal:
    """The pages of a store, being its one writer. Nothing is noted for good before `commit`."""

    def __init__(self, *, is_kept: bool) -> None:
        self.is_kept = is_kept
        """False where nothing can be withdrawn: a simulated market has no forks."""
        self._generations: list[_Generation] = []
        self._tokens: set[str] = set()
        self._accounts: set[AccountKey] = set()
        self._elsewhere: dict[bytes, set[int]] = {}
        self._missed: list[tuple[bytes, int]] = []
        """Of the running batch."""
        self._page: Page | None = None
        self._settled_slot = self._settled_position = 0
        self._is_rewritten = False
        self._fresh: dict[bytes, Place] = {}

    async def undo(self, connection: asyncpg.Connection) -> None:
        """The transaction was rolled back."""
        if self._is_rewritten:
            await self.load(connection)
        elif self._page is not None:
            self._tokens -= {base.mint for base in self._page.tokens}
            self._accounts -= {(base.token_id, base.account) for base in self._page.accounts}
        self._page, self._fresh, self._missed = None, {}, []

    async def load(self, connection: asyncpg.Connection) -> None:
        """Reads where everything that is not final is stored."""
        self._page, self._fresh, self._missed, self._is_rewritten = None, {}, [], False
        self._tokens.clear()
        self._accounts.clear()
        self._generations.clear()
        self._elsewhere.clear()
        for row in await connection.fetch("SELECT generation, head_slot, page FROM journal ORDER BY id"):
            if not self._generations or self._generations[-1].number != row["generation"]:
                self._generations.append(_Generation(row["generation"], row["head_slot"], {}))
            page = _decoder.decode(row["page"])
            found = [(entry.event, entry.key) for entry in page.entries()]
            found += [(event, chain_key(event)) for event in page.confirmations()]
            for event, key in found:
                self._generations[-1].places[name_of(event, key)] = Place(key, int(event.commitment))
            for name, slot in page.elsewhere:
                self._elsewhere.setdefault(name, set()).add(slot)

    @property
    def is_empty(self) -> bool:
        """Whether everything that is stored is final."""
        return not any(generation.places for generation in self._generations)

    def place(self, name: bytes) -> Place | None:
        """Where an event is stored that is not final yet; None where it is not known."""
        for generation in reversed(self._generations):
            if (place := generation.places.get(name)) is not None:
                return place
        return None

    def missed(self, name: bytes, slot: int) -> None:
        """Notes that an event came again in another slot, and was not stored there."""
        self._elsewhere.setdefault(name, set()).add(slot)
        self._missed.append((name, slot))

    def elsewhere(self, names: Iterable[bytes]) -> set[int]:
        """Slots in which withdrawn events had come too."""
        return {slot for name in names for slot in self._elsewhere.get(name, ())}

    async def begin(self, connection: asyncpg.Connection, head: tuple[int, int, int], settled_slot: int) -> None:
        """Begins the page of a batch after which everything up to `settled_slot` is final."""
        self._settled_slot, self._settled_position = settled_slot, pack_position(settled_slot + 1, 0, 0) - 1
        self._page, self._fresh = (Page(head, elsewhere=self._missed) if self.is_kept else None), {}
        if not self._generations:
            self._generations.append(_Generation(1, -1, {}))
        newest = self._generations[-1]
        is_read = not self._tokens and bool(newest.places)  # of a generation that was read, nobody knows who is in it
        if is_read or (newest.head_slot <= settled_slot and head[1] - newest.head_slot >= _GENERATION_SLOTS):
            self._generations.append(_Generation(newest.number + 1, head[1], {}))
            self._tokens.clear()
            self._accounts.clear()
        await self._forget_settled(connection)

    async def _forget_settled(self, connection: asyncpg.Connection) -> None:
        """Lets go of the generations that are older than the newest one that began at or below the settled slot."""
        kept = max((each.number for each in self._generations if each.head_slot <= self._settled_slot), default=0)
        if self._generations[0].number < kept:
            await connection.execute("DELETE FROM journal WHERE generation < $1", kept)
            gone = {name for each in self._generations if each.number < kept for name in each.places}
            self._generations = [each for each in self._generations if each.number >= kept]
            self._elsewhere = {name: slots for name, slots in self._elsewhere.items() if name not in gone}

    def is_open(self, position: int) -> bool:
        """Whether what lies at a position may still be withdrawn."""
        return self._page is not None and position > self._settled_position

    def note_token(self, mint: str, state: TokenState | None) -> None:
        """Keeps how a token is now, before the event of this batch that may be withdrawn; None: it is not stored."""
        if self._page is None or mint in self._tokens:
            return
        self._tokens.add(mint)
        self._page.tokens.append(TokenBase(mint, None, [], []) if state is None else _base(state))

    def note_account(self, account: AccountKey, row: AccountRow | None) -> None:
        """The same of a token account."""
        if self._page is not None and account not in self._accounts:
            self._accounts.add(account)
            self._page.accounts.append(AccountBase(*account, row))

    @property
    def notes_events(self) -> bool:
        """Whether any event of this batch may have to be kept."""
        return self._page is not None and bool(self._tokens)

    def note_event(self, event: Event, key: ChainKey, quote_usd: Decimal | None) -> None:
        """Keeps an event, if it may be withdrawn, or if its token has one that may be."""
        if self._page is not None and event.mint in self._tokens:
            self._page.add(Entry(event, key, quote_usd))
            self._fresh[name_of(event, key)] = Place(key, int(event.commitment))

    def confirm_event(self, event: Event, key: ChainKey) -> None:
        """Keeps a stored event that came again, where it is more certain now."""
        name = name_of(event, key)
        place = self.place(name)
        if place is not None and place.key == key and event.commitment > place.commitment:
            page = self._page
            if page is not None and event.mint in self._tokens:
                page.confirm(event)
                self._fresh[name] = Place(key, int(event.commitment))

    def note_balance(self, account: AccountKey, balance: Balance) -> None:
        if self._page is not None and account in self._accounts:
            self._page.balances.append((*balance.key, balance.held))

    async def store(self, connection: asyncpg.Connection) -> None:
        """Part of the writer's transaction."""
        if self._page is not None and not self._page.is_empty:
            await self._insert(connection, self._page, self._generations[-1])

    def commit(self) -> None:
        """The batch is stored."""
        if self._generations:
            self._generations[-1].places.update(self._fresh)
        self._page, self._fresh, self._missed, self._is_rewritten = None, {}, [], False

    async def read(self, connection: asyncpg.Connection) -> list[Page]:
        """Every page, oldest first."""
        return [_decoder.decode(row["page"]) for row in await connection.fetch("SELECT page FROM journal ORDER BY id")]

    async def rewrite(self, connection: asyncpg.Connection, page: Page) -> None:
        """Puts one page, as of the oldest generation, in the place of all."""
        self._is_rewritten = True
        await connection.execute("DELETE FROM journal")
        oldest = self._generations[0] if self._generations else _Generation(1, -1, {})
        places = {name_of(event, key): Place(key, int(event.commitment)) for event, key, _ in page.entries()}
        self._generations = [_Generation(oldest.number, oldest.head_slot, places)]
        self._tokens = {base.mint for base in page.tokens}
        self._accounts = {(base.token_id, base.account) for base in page.accounts}
        page.elsewhere = [(name, slot) for name, slots in self._elsewhere.items() for slot in slots]
        if not page.is_empty:
            await self._insert(connection, page, self._generations[0])

    async def _insert(self, connection: asyncpg.Connection, page: Page, generation: _Generation) -> None:
        await connection.execute(
            "INSERT INTO journal (generation, head_slot, page) VALUES ($1, $2, $3)",
            generation.number,
            generation.head_slot,
            _encoder.encode(page),
        )


def name_of(event: Event, key: ChainKey) -> bytes:
    """By which an event with that chain key is known again: its identity; but a token is launched once and completed
    once, by whatever transaction on whichever fork."""
    match event:
        case Launch():
            return b"launch " + event.mint.encode()
        case Completion():
            return b"completion " + event.mint.encode()
        case _:
            return key[2]


def settled_slot(finalized_slot: int | None, head_slot: int) -> int:
    """Up to where nothing is withdrawn any more."""
    return max(0, head_slot - _UNSETTLED_SLOTS) if finalized_slot is None else finalized_slot


def _base(state: TokenState) -> TokenBase:
    venues, graduations = map(copy, state.venues.values()), map(copy, state.graduations.values())
    return TokenBase(state.row.mint, copy(state.row), list(venues), list(graduations))


def _values(event: Event) -> tuple[int, list[Any]]:
    return _NUMBERS[type(event)], list(msgspec.structs.astuple(event))


def _event(kind: int, values: Sequence[Any]) -> Event:
    struct = _KINDS[kind]
    return msgspec.convert(dict(zip(_FIELDS[struct], values, strict=True)), struct)
