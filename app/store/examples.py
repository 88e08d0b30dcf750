"""Addresses that exist in this store, for whoever explores it: GraphiQL fills the variables of its tabs with them."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.programs import TradeProgram
from app.store.tables import token_stats, tokens, trades, venues, wallets

MINTS = 5
WINDOW = 60
"""Seconds before the head."""


async def read_examples(connection: AsyncConnection) -> dict[str, object]:
    """Values by variable name: `mint`, `mints`, `wallet`, `pool`, `address`; a name is absent where nothing is stored.

    The tokens are those that traded most just now: of them a subscription soon shows something.
    """
    recent = token_stats.c.trade_count.label("recent")
    rows = await connection.execute(
        select(tokens.c.id, tokens.c.mint)
        .outerjoin(token_stats, (token_stats.c.token_id == tokens.c.id) & (token_stats.c.window == WINDOW))
        .where(tokens.c.last_trade_at.is_not(None))
        .order_by(recent.desc().nulls_last(), tokens.c.trade_count.desc(), tokens.c.id)
        .limit(MINTS)
    )
    busiest = rows.all()
    if not busiest:
        return {}
    found: dict[str, object] = {"mint": busiest[0].mint, "mints": [row.mint for row in busiest]}
    wallet = await connection.scalar(
        select(wallets.c.address)
        .join(trades, trades.c.trader_id == wallets.c.id)
        .where(trades.c.token_id == busiest[0].id)
        .order_by(trades.c.block_time.desc(), trades.c.position.desc())
        .limit(1)
    )
    pool = await connection.scalar(
        select(venues.c.address)
        .where(venues.c.kind == TradeProgram.AMM_POOL, venues.c.real_quote_reserves.is_not(None))
        .order_by(venues.c.as_of_time.desc(), venues.c.id)
        .limit(1)
    )
    if wallet is not None:
        found |= {"wallet": wallet, "address": wallet}
    if pool is not None:
        found["pool"] = pool
    return found
