"""Reads of balances: the largest holders of a token, the vault of its curve."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.programs import METEORA_DBC_AUTHORITY
from app.store.keys import INTEGER, among, key_table
from app.store.tables import token_accounts, wallets


@dataclass(frozen=True, slots=True)
class Holding:
    """What one wallet holds of a token over all its accounts, raw."""

    address: str
    balance: int


async def read_top_holders(
    connection: AsyncConnection, token_ids: Sequence[int], limit: int, exclude_vaults: bool
) -> dict[int, list[Holding]]:
    """The `limit` largest holders of each token, largest first; equal balances by wallet number."""
    keys = key_table("k", {"token_id": (INTEGER, token_ids)})
    balance = func.sum(token_accounts.c.amount).label("balance")
    counted = [token_accounts.c.amount > 0, *([~token_accounts.c.is_vault] if exclude_vaults else [])]
    largest = (
        select(token_accounts.c.owner_id, balance)
        .where(token_accounts.c.token_id == keys.c.token_id, *counted)
        .group_by(token_accounts.c.owner_id)
        .order_by(balance.desc(), token_accounts.c.owner_id)
        .limit(limit)
        .lateral()
    )
    source = keys.join(largest, true()).join(wallets, wallets.c.id == largest.c.owner_id)
    query = select(keys.c.token_id, wallets.c.address, largest.c.balance).select_from(source)
    holders: dict[int, list[Holding]] = {token_id: [] for token_id in token_ids}
    for row in await connection.execute(query.order_by(largest.c.balance.desc(), largest.c.owner_id)):
        holders[row.token_id].append(Holding(row.address, int(row.balance)))
    return holders


async def read_dbc_vaults(connection: AsyncConnection, token_ids: Sequence[int]) -> dict[int, int]:
    """What the vault of each token's Meteora DBC curve holds, raw; left out where no transaction has told it.

    The program's one authority owns the vaults of all curves, so of one token only that of its curve.
    """
    query = (
        select(token_accounts.c.token_id, func.sum(token_accounts.c.amount).label("amount"))
        .select_from(token_accounts.join(wallets, wallets.c.id == token_accounts.c.owner_id))
        .where(wallets.c.address == METEORA_DBC_AUTHORITY, among(token_accounts.c.token_id, token_ids))
        .group_by(token_accounts.c.token_id)
    )
    return {row.token_id: int(row.amount) for row in await connection.execute(query)}
