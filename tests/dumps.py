"""Everything that a store holds, as text that two stores can be compared by.

Left out: the wall clock (indexed_at, first_seen_at, resolved_at); finalized_time, which is told from memory; and what
depends on the order of arrival by its nature: ids (replaced by the addresses that they stand for) and sequences.
"""

import json

import asyncpg

TABLES = (
    "tokens", "venues", "trades", "token_traders", "candles_1m", "candles_1h", "candles_1d", "graduations",
    "token_accounts", "token_stats", "rates", "checkpoints", "dead_letters", "feed", "wallets",
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


async def _rows(connection: asyncpg.Connection, table: str, names: dict[str, dict[int, str]]) -> list[str]:
    lines = []
    for record in await connection.fetch(f"SELECT * FROM {table}"):
        row = {name: names[name][value] if name in names else value for name, value in record.items()}
        lines.append(json.dumps({name: str(value) for name, value in row.items() if name not in LEFT_OUT}))
    return sorted(lines)


async def _by_id(connection: asyncpg.Connection, statement: str) -> dict[int, str]:
    return {row[0]: row[1] for row in await connection.fetch(statement)}
