"""Everything that a store holds, as text that two stores can be compared by.

Left out: the wall clock (indexed_at, first_seen_at, resolved_at); finalized_time, which is told from memory; and what
depends on the order of arrival by its nature: ids (replaced by the addresses that they stand for) and sequences.
"""

import json
from collections import defaultdict

import asyncpg

from app.domain.candles import Interval, fold
from app.domain.records import TradeRecord

TABLES = (
    "tokens", "venues", "trades", "token_traders", "candles_1m", "candles_1h", "candles_1d", "graduations",
    "milestones", "token_accounts", "token_stats", "rates", "checkpoints", "dead_letters", "feed", "wallets",
)  # fmt: skip
LEFT_OUT = {
    "id", "finalized_time", "indexed_at", "first_seen_at", "resolved_at",
    "sequence", "last_sequence", "launch_sequence", "completed_sequence",
}  # fmt: skip


async def dump(url: str, tables: tuple[str, ...] = TABLES) -> dict[str, list[str]]:
    """The rows of each table, sorted."""
    connection = await asyncpg.connect(url)
    try:
        wallets = await _by_id(connection, "SELECT id, address FROM wallets")
        names = {
            "token_id": await _by_id(connection, "SELECT id, mint FROM tokens"),
            "venue_id": await _by_id(connection, "SELECT id, address FROM venues"),
            "trader_id": wallets,
            "owner_id": wallets,
        }
        return {table: await _rows(connection, table, names) for table in tables}
    finally:
        await connection.close()


async def stored_candles(url: str, table: str) -> list[tuple[object, ...]]:
    """The rows of a candle table, to be compared with `folded_candles`."""
    connection = await asyncpg.connect(url)
    rows = await connection.fetch(f"SELECT c.*, t.mint FROM {table} c JOIN tokens t ON t.id = c.token_id")
    await connection.close()
    return sorted(
        (row["mint"], row["kind"], int(row["bucket"].timestamp()), row["open"], row["high"], row["low"], row["close"],
         row["open_identity"], row["close_identity"], row["volume"], row["buy_volume"],
         row["open_usd"], row["high_usd"], row["low_usd"], row["close_usd"], row["volume_usd"], row["buy_volume_usd"],
         row["trades"], row["buys"], row["usd_trades"])
        for row in rows
    )  # fmt: skip


def folded_candles(trades: list[TradeRecord], interval: Interval) -> list[tuple[object, ...]]:
    """What the candles of these trades are, in the form of `stored_candles`."""
    groups = defaultdict(list)
    for each in trades:
        groups[each.mint, each.venue_kind].append(each)
    return sorted(
        (mint, int(kind), candle.time, candle.open, candle.high, candle.low, candle.close,
         candle.open_key[2], candle.close_key[2], candle.volume, candle.buy_volume,
         candle.open_usd, candle.high_usd, candle.low_usd, candle.close_usd, candle.volume_usd, candle.buy_volume_usd,
         candle.trades, candle.buys, candle.usd_trades)
        for (mint, kind), group in groups.items()
        for candle in fold(group, interval, kind)
    )  # fmt: skip


async def _rows(connection: asyncpg.Connection, table: str, names: dict[str, dict[int, str]]) -> list[str]:
    lines = []
    for record in await connection.fetch(f"SELECT * FROM {table}"):
        row = {name: names[name][value] if name in names else value for name, value in record.items()}
        lines.append(json.dumps({name: str(value) for name, value in row.items() if name not in LEFT_OUT}))
    return sorted(lines)


async def _by_id(connection: asyncpg.Connection, statement: str) -> dict[int, str]:
    return {row[0]: row[1] for row in await connection.fetch(statement)}
