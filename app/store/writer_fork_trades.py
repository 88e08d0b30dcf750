"""Withdrawn trades leave their table, and what was made of them is made again: candles, first trades of wallets."""

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg

from app.domain.events import Trade
from app.store.writer_candles import MINUTE
from app.store.writer_refold import refold
from app.store.writer_rows import ChainKey

_DELETE = """
DELETE FROM trades t USING unnest($1::timestamptz[], $2::bytea[]) AS given(block_time, identity)
WHERE t.block_time = given.block_time AND t.identity = given.identity AND t.block_time BETWEEN $3 AND $4
RETURNING t.identity, t.sequence, t.token_id, t.trader_id, t.block_time
"""
_FORGET_FIRSTS = """
DELETE FROM token_traders f USING unnest($1::integer[], $2::integer[]) AS given(token_id, trader_id)
WHERE f.token_id = given.token_id AND f.trader_id = given.trader_id AND f.first_identity = ANY($3)
RETURNING f.token_id, f.trader_id
"""
_FIND_FIRSTS = """
INSERT INTO token_traders (token_id, trader_id, first_time, first_position, first_identity)
SELECT given.token_id, given.trader_id, first.block_time, first.position, first.identity
FROM unnest($1::integer[], $2::integer[]) AS given(token_id, trader_id), LATERAL (
    SELECT t.block_time, t.position, t.identity FROM trades t
    WHERE t.token_id = given.token_id AND t.trader_id = given.trader_id AND t.block_time >= $3
    ORDER BY t.block_time, t.position, t.identity LIMIT 1
) AS first
"""
"""A first trade that left had nothing before it: what follows it is looked for from the oldest one that left on."""


async def remove_trades(connection: asyncpg.Connection, trades: Sequence[tuple[Trade, ChainKey]]) -> dict[bytes, int]:
    """Part of the writer's transaction. Returns the sequences that they had, by identity."""
    if not trades:
        return {}
    times = [datetime.fromtimestamp(time, UTC) for _, (time, _, _) in trades]
    identities = [identity for _, (_, _, identity) in trades]
    rows = await connection.fetch(_DELETE, times, identities, min(times), max(times))
    pairs = sorted({(row["token_id"], row["trader_id"]) for row in rows})
    lost = await connection.fetch(_FORGET_FIRSTS, *_columns(pairs), identities)
    await connection.execute(_FIND_FIRSTS, *_columns([(row[0], row[1]) for row in lost]), min(times))
    await _refold(connection, trades, {row["identity"]: row["token_id"] for row in rows})
    return {row["identity"]: row["sequence"] for row in rows}


async def _refold(
    connection: asyncpg.Connection, trades: Sequence[tuple[Trade, ChainKey]], token_ids: dict[bytes, int]
) -> None:
    minutes = {
        (token_ids[identity], int(trade.venue_kind), time - time % MINUTE)
        for trade, (time, _, identity) in trades
        if identity in token_ids
    }
    await refold(connection, minutes)


def _columns(pairs: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    return [one for one, _ in pairs], [other for _, other in pairs]
