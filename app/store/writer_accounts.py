"""Balances of launched tokens, and from them the number of holders: distinct owners with something, vaults left out."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from app.domain.events import TokenBalance
from app.domain.programs import METEORA_DBC_AUTHORITY
from app.store.writer_rows import ACCOUNTS, AccountRow, ChainKey
from app.store.writer_world import World

AUTHORITIES = frozenset({METEORA_DBC_AUTHORITY})
"""Program accounts that own the vaults of all venues of a program."""
_ACCOUNTS_KEPT = 200_000
AccountKey = tuple[int, str]
Owner = tuple[int, int]

_LOAD = f"""
SELECT {ACCOUNTS.as_array} FROM (
    SELECT a.* FROM unnest($1::int[], $2::text[]) AS given(token_id, account)
    JOIN token_accounts a USING (token_id, account)
    UNION
    SELECT a.* FROM unnest($3::int[], $4::int[]) AS given(token_id, owner_id)
    JOIN token_accounts a USING (token_id, owner_id)
) AS token_accounts
"""


@dataclass(frozen=True, slots=True)
class Balance:
    """What a token account held after a transaction; `key` is the transaction's place in chain order."""

    key: ChainKey
    held: TokenBalance


class AccountBook:
    """Token accounts in memory. Of an owner in `_owned` all accounts of the token are here; being the only writer, what
    is here is what is stored."""

    def __init__(self) -> None:
        self._rows: dict[AccountKey, AccountRow] = {}
        self._owned: dict[Owner, set[AccountKey]] = {}

    def forget(self) -> None:
        self._rows.clear()
        self._owned.clear()

    async def load(
        self, connection: asyncpg.Connection, accounts: Iterable[AccountKey], owners: Iterable[Owner]
    ) -> None:
        """Makes sure that these accounts, and all accounts of these owners, are here."""
        if len(self._rows) > _ACCOUNTS_KEPT:
            self.forget()
        unknown = [account for account in accounts if account not in self._rows]
        incomplete = [owner for owner in owners if owner not in self._owned]
        if not unknown and not incomplete:
            return
        array = await connection.fetchval(_LOAD, *_columns(unknown), *_columns(incomplete))
        self._owned.update({owner: set() for owner in incomplete})
        for row in ACCOUNTS.decode(array):
            self.put(row)

    def get(self, account: AccountKey) -> AccountRow | None:
        return self._rows.get(account)

    def put(self, row: AccountRow) -> None:
        account = (row.token_id, row.account)
        former = self._rows.get(account)
        if former is not None and former.owner_id != row.owner_id:
            self._owned.get((former.token_id, former.owner_id), set()).discard(account)
        self._rows[account] = row
        if (owned := self._owned.get((row.token_id, row.owner_id))) is not None:
            owned.add(account)

    def drop(self, account: AccountKey) -> None:
        row = self._rows.pop(account)
        self._owned.get((row.token_id, row.owner_id), set()).discard(account)

    def is_holder(self, owner: Owner) -> bool:
        """Whether any account of a loaded owner counts: it holds something and is no vault."""
        for account in self._owned[owner]:
            row = self._rows[account]
            if row.amount > 0 and not row.is_vault:
                return True
        return False

    def of(self, owner: Owner) -> list[AccountRow]:
        """All accounts of a loaded owner."""
        return [self._rows[account] for account in self._owned[owner]]


@dataclass(frozen=True, slots=True)
class Given:
    """Balances of a batch, with all accounts in the book that their change needs."""

    rows: dict[AccountKey, AccountRow]
    owners: set[Owner]
    vaults: set[Owner]
    """Those that turned out to be venues."""


async def load_given(
    connection: asyncpg.Connection, world: World, book: AccountBook, rows: dict[AccountKey, AccountRow]
) -> Given:
    """Loads what `change_balances` needs for what `newest_given` gave."""
    vaults = await _new_vaults(connection, world)
    owners = {(row.token_id, row.owner_id) for row in rows.values()} | vaults
    await book.load(connection, rows, owners)
    stored = (book.get(account) for account in rows)
    former = {(row.token_id, row.owner_id) for row in stored if row is not None}
    await book.load(connection, (), former)  # an account may change hands: the former owner's others count too
    return Given(rows, owners | former, vaults)


def change_balances(world: World, book: AccountBook, given: Given) -> list[AccountRow]:
    """Takes balances into the book and brings `holders` of the touched tokens up to date.

    Returns the rows that changed, for `store_balances`.
    """
    before = holders_among(book, given.owners)
    changed = _change(book, given.rows, given.vaults)
    count_holders(world, holders_among(book, given.owners), before)
    return changed


async def store_balances(connection: asyncpg.Connection, changed: Sequence[AccountRow]) -> None:
    """Part of the writer's transaction."""
    if changed:
        await connection.execute(ACCOUNTS.upsert(), ACCOUNTS.encode(changed))


def newest_given(world: World, balances: Iterable[Balance]) -> dict[AccountKey, AccountRow]:
    """The newest of each account. The wallets of all owners must have been learnt; balances of tokens that the world
    does not know are left out."""
    newest: dict[AccountKey, Balance] = {}
    for balance in balances:
        state = world.token(balance.held.mint)
        if state is None:
            continue
        account = (state.row.id, balance.held.account)
        if account not in newest or balance.key > newest[account].key:
            newest[account] = balance
    return {account: _row(world, account[0], balance) for account, balance in newest.items()}


def _row(world: World, token_id: int, balance: Balance) -> AccountRow:
    held = balance.held
    state = world.token(held.mint)
    return AccountRow(
        token_id=token_id,
        account=held.account,
        owner_id=world.wallet(held.owner),
        amount=held.amount,
        is_vault=held.owner in AUTHORITIES or (state is not None and held.owner in state.venues),
        as_of_time=balance.key[0],
        as_of_position=balance.key[1],
        as_of_identity=balance.key[2],
    )


async def _new_vaults(connection: asyncpg.Connection, world: World) -> set[Owner]:
    """Owners that turn out to be venues: their balances may have come before the venue was known."""
    ids = await world.find_wallets(connection, [venue.address for venue in world.new_venues])
    return {(venue.token_id, ids[venue.address]) for venue in world.new_venues if venue.address in ids}


def _columns(keys: list[tuple[int, Any]]) -> tuple[list[int], list[Any]]:
    return [token_id for token_id, _ in keys], [other for _, other in keys]


def _change(book: AccountBook, given: dict[AccountKey, AccountRow], vaults: set[Owner]) -> list[AccountRow]:
    """Takes what is newer into the book; returns the rows that changed."""
    changed: dict[AccountKey, AccountRow] = {}
    for account, row in given.items():
        stored = book.get(account)
        if stored is None or row.as_of > stored.as_of:
            book.put(row)
            changed[account] = row
    for owner in vaults:
        for row in book.of(owner):
            if not row.is_vault:
                row.is_vault = True
                changed[row.token_id, row.account] = row
    return [changed[account] for account in sorted(changed)]


def holders_among(book: AccountBook, owners: set[Owner]) -> set[Owner]:
    """Those of loaded owners that count."""
    return {owner for owner in owners if book.is_holder(owner)}


def count_holders(world: World, after: set[Owner], before: set[Owner]) -> None:
    """Brings `holders` of the touched tokens from one set of owners to another."""
    difference = Counter(token_id for token_id, _ in after)
    difference.subtract(token_id for token_id, _ in before)
    for state in world.touched.values():
        state.row.holders += difference[state.row.id]
