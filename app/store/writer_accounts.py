"""Balances of launched tokens, and from them the number of holders: distinct owners with something, vaults left out."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import asyncpg

from app.domain.events import TokenBalance
from app.domain.programs import METEORA_DBC_AUTHORITY
from app.store.writer_rows import ACCOUNTS, AccountRow, ChainKey
from app.store.writer_world import World

AUTHORITIES = frozenset({METEORA_DBC_AUTHORITY})
"""Program accounts that own the vaults of all venues of a program."""
_AccountKey = tuple[int, str]
_Owner = tuple[int, int]

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


async def store_balances(connection: asyncpg.Connection, world: World, balances: Iterable[Balance]) -> None:
    """Keeps the newest balance of each account and brings `holders` of the touched tokens up to date.

    The wallets of all owners must have been learnt. Balances of tokens that the world does not know are left out.
    """
    given = _newest_given(world, balances)
    vaults = await _new_vaults(connection, world)
    if not given and not vaults:
        return
    owners = {(row.token_id, row.owner_id) for row in given.values()} | vaults
    stored = await _load(connection, list(given), owners)
    moved = {(row.token_id, row.owner_id) for row in stored.values()} - owners
    if moved:  # an account changed hands: the former owner's other accounts count too
        owners |= moved
        stored = await _load(connection, list(given), owners)
    before = _holders(stored.values())
    changed = _change(stored, given, vaults)
    _count(world, _holders(stored.values()), before)
    if changed:
        await connection.execute(ACCOUNTS.upsert, ACCOUNTS.encode(changed))


def _newest_given(world: World, balances: Iterable[Balance]) -> dict[_AccountKey, AccountRow]:
    newest: dict[_AccountKey, Balance] = {}
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


async def _new_vaults(connection: asyncpg.Connection, world: World) -> set[_Owner]:
    """Owners that turn out to be venues: their balances may have come before the venue was known."""
    ids = await world.find_wallets(connection, [venue.address for venue in world.new_venues])
    return {(venue.token_id, ids[venue.address]) for venue in world.new_venues if venue.address in ids}


async def _load(
    connection: asyncpg.Connection, accounts: list[_AccountKey], owners: set[_Owner]
) -> dict[_AccountKey, AccountRow]:
    array = await connection.fetchval(
        _LOAD,
        [token_id for token_id, _ in accounts],
        [account for _, account in accounts],
        [token_id for token_id, _ in owners],
        [owner_id for _, owner_id in owners],
    )
    return {(row.token_id, row.account): row for row in ACCOUNTS.decode(array)}


def _change(
    stored: dict[_AccountKey, AccountRow], given: dict[_AccountKey, AccountRow], vaults: set[_Owner]
) -> list[AccountRow]:
    """Takes what is newer into `stored`; returns the rows that changed."""
    changed: dict[_AccountKey, AccountRow] = {}
    for account, row in given.items():
        if account not in stored or row.as_of > stored[account].as_of:
            stored[account] = changed[account] = row
    for account, row in stored.items():
        if not row.is_vault and (row.token_id, row.owner_id) in vaults:
            row.is_vault = True
            changed[account] = row
    return [changed[account] for account in sorted(changed)]


def _holders(rows: Iterable[AccountRow]) -> set[_Owner]:
    return {(row.token_id, row.owner_id) for row in rows if row.amount > 0 and not row.is_vault}


def _count(world: World, after: set[_Owner], before: set[_Owner]) -> None:
    difference = Counter(token_id for token_id, _ in after)
    difference.subtract(token_id for token_id, _ in before)
    for state in world.touched.values():
        state.row.holders += difference[state.row.id]
