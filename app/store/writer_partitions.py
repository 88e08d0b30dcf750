"""Daily partitions of the trades on plain PostgreSQL, made before the first row of their day."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import asyncpg

_IS_PARTITIONED = "SELECT relkind = 'p' FROM pg_class WHERE oid = 'trades'::regclass"
_EXISTING = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'trades'::regclass"


class Partitions:
    """Knows which days have a partition. On TimescaleDB, which makes its own chunks, there is nothing to do.

    There is no default partition: a row of a day without partition fails its batch, the day is made and the batch
    comes again, so that no row is ever lost or in the wrong place; and a default would have to be scanned, under a lock
    that stops readers, each time a day is added.
    """

    def __init__(self) -> None:
        self._is_needed = False
        self._known: set[str] = set()

    async def load(self, connection: asyncpg.Connection) -> None:
        """Reads what is there."""
        self._is_needed = bool(await connection.fetchval(_IS_PARTITIONED))
        self._known = {row[0] for row in await connection.fetch(_EXISTING)} if self._is_needed else set()

    async def ensure(self, connection: asyncpg.Connection, times: Iterable[int]) -> None:
        """Makes the partitions of these times (Unix seconds), and of the day after the newest, in transactions of
        their own: a lock on the table is held for a moment, not for a batch."""
        if not self._is_needed:
            return
        days = {time // 86_400 for time in times}
        for day in sorted(days | ({max(days) + 1} if days else set())):
            await self._make(connection, datetime.fromtimestamp(day * 86_400, UTC).date())

    async def _make(self, connection: asyncpg.Connection, day: date) -> None:
        name = f"trades_{day:%Y%m%d}"
        if name in self._known:
            return
        bounds = f"FROM ('{day} 00:00:00+00') TO ('{day + timedelta(days=1)} 00:00:00+00')"
        async with connection.transaction():
            # Made apart and then attached, which readers of the table do not have to wait for.
            await connection.execute(f"CREATE TABLE {name} (LIKE trades INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
            await connection.execute(f"ALTER TABLE trades ATTACH PARTITION {name} FOR VALUES {bounds}")
        self._known.add(name)
