"""Balances of withdrawn slots: each account is again what the newest remaining transaction left it."""

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Protocol

import asyncpg

from app.store.writer_accounts import (
    AUTHORITIES,
    AccountBook,
    AccountKey,
    Balance,
    Owner,
    count_holders,
    holders_among,
    newest_given,
    store_balances,
)
from app.store.writer_journal import AccountBase
from app.store.writer_rows import AccountRow
from app.store.writer_states import TokenState
from app.store.writer_world import World


class Balances(Protocol):
    """What the journal knows of accounts."""

    accounts: dict[AccountKey, AccountBase]
    kept_balances: list[Balance]
    gone_balances: list[Balance]


async def restore_accounts(
    connection: asyncpg.Connection, world: World, book: AccountBook, former: Mapping[str, TokenState], history: Balances
) -> None:
    """Stores the accounts that lost a balance as they are without it, and brings `holders` of their tokens up to date.

    `former` are the tokens before; the world knows them as they are now.
    """
    ids = {mint: state.row.id for mint, state in former.items()}
    lost = {(ids[each.held.mint], each.held.account) for each in history.gone_balances if each.held.mint in ids}
    vaults = await _vaults(connection, world, former)
    rows = await _restored(connection, world, lost, history)
    await book.load(connection, lost, vaults)
    loaded = [row for account in lost if (row := book.get(account)) is not None]
    owners = {(row.token_id, row.owner_id) for row in [*loaded, *rows.values()]} | set(vaults)
    await book.load(connection, (), owners)
    before = holders_among(book, owners)
    changed = _put(book, lost, rows) + _unlock(book, vaults)
    for row in changed:
        row.is_vault = _is_vault(row, vaults)
    count_holders(world, holders_among(book, owners), before)
    await _delete(connection, lost - set(rows))
    await store_balances(connection, list({(row.token_id, row.account): row for row in changed}.values()))


async def _restored(
    connection: asyncpg.Connection, world: World, lost: set[AccountKey], history: Balances
) -> dict[AccountKey, AccountRow]:
    """The newest of each account: what was there before, or a balance since that remains."""
    names = {account for _, account in lost}
    kept = [balance for balance in history.kept_balances if balance.held.account in names]
    await world.load(connection, {balance.held.mint for balance in kept})
    await world.learn_wallets(connection, {balance.held.owner for balance in kept})
    rows = {account: row for account, row in newest_given(world, kept).items() if account in lost}
    for account in lost:
        base = history.accounts[account].row
        if base is not None and (account not in rows or base.as_of > rows[account].as_of):
            rows[account] = copy(base)
    return rows


async def _vaults(connection: asyncpg.Connection, world: World, former: Mapping[str, TokenState]) -> dict[Owner, bool]:
    """Owners that are or were venues, and whether they still are."""
    addresses = {address for state in former.values() for address in state.venues}
    wallets = await world.find_wallets(connection, sorted(addresses | AUTHORITIES))
    found: dict[Owner, bool] = {}
    for mint, state in former.items():
        now = world.token(mint)
        for address in [*state.venues, *AUTHORITIES]:
            if address in wallets:
                is_venue = address in AUTHORITIES or (now is not None and address in now.venues)
                found[state.row.id, wallets[address]] = is_venue
    return found


def _put(book: AccountBook, lost: Iterable[AccountKey], rows: Mapping[AccountKey, AccountRow]) -> list[AccountRow]:
    for account in lost:
        if account in rows:
            book.put(rows[account])
        elif book.get(account) is not None:
            book.drop(account)
    return list(rows.values())


def _unlock(book: AccountBook, vaults: Mapping[Owner, bool]) -> list[AccountRow]:
    """Accounts whose owner is no venue any more."""
    return [row for owner, is_venue in vaults.items() if not is_venue for row in book.of(owner) if row.is_vault]


def _is_vault(row: AccountRow, vaults: Mapping[Owner, bool]) -> bool:
    return vaults.get((row.token_id, row.owner_id), False)


async def _delete(connection: asyncpg.Connection, accounts: Iterable[AccountKey]) -> None:
    gone = sorted(accounts)
    await connection.execute(
        "DELETE FROM token_accounts a USING unnest($1::integer[], $2::text[]) AS given(token_id, account)"
        " WHERE a.token_id = given.token_id AND a.account = given.account",
        [token_id for token_id, _ in gone],
        [account for _, account in gone],
    )
