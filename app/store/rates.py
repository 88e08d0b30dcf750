"""Reads of quote-to-USD rates."""

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, func, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from app.store.keys import INTEGER, key_table
from app.store.rows import to_time
from app.store.tables import rates


async def read_rates(connection: AsyncConnection, not_before: int) -> dict[str, Decimal]:
    """The newest rate of each quote mint that has one at or after `not_before` (Unix seconds)."""
    rows = await connection.execute(_newest())
    return {row.mint: row.usd for row in rows if row.time >= to_time(not_before)}


async def read_rates_at(
    connection: AsyncConnection, quote_mint: str, times: Sequence[int], max_age: int
) -> dict[int, Decimal]:
    """The rate of `quote_mint` at each time (Unix seconds): the newest not later, and not older than `max_age`."""
    keys = key_table("k", {"seconds": (INTEGER, times)})
    moment = func.to_timestamp(keys.c.seconds)
    newest = (
        select(rates.c.usd)
        .where(rates.c.quote_mint == quote_mint, rates.c.time <= moment)
        .where(rates.c.time >= moment - timedelta(seconds=max_age))
        .order_by(rates.c.time.desc())
        .limit(1)
        .lateral()
    )
    rows = await connection.execute(select(keys.c.seconds, newest.c.usd).select_from(keys.join(newest, true())))
    return {row.seconds: row.usd for row in rows}


def _newest() -> Select[Any]:
    # Few mints and many times: hop from mint to mint over the primary key instead of reading every rate.
    first = select(func.min(rates.c.quote_mint).label("mint")).cte("mints", recursive=True)
    following = select(func.min(rates.c.quote_mint)).where(rates.c.quote_mint > first.c.mint).scalar_subquery()
    mints = first.union_all(select(following).where(first.c.mint.is_not(None)))
    newest = (
        select(rates.c.time, rates.c.usd)
        .where(rates.c.quote_mint == mints.c.mint)
        .order_by(rates.c.time.desc())
        .limit(1)
        .lateral()
    )
    return select(mints.c.mint, newest.c.time, newest.c.usd).select_from(mints.join(newest, true()))
