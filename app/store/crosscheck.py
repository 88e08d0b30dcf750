"""Holds our candles against TimescaleDB's aggregates: two ways from trades to candles that share no code."""

from dataclasses import dataclass
from datetime import datetime

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import StartupError

_WIDTHS = ("1m", "1h", "1d")
_VIEWS = ("1m", "5m", "15m", "1h", "1d")
"""Each is refreshed from the one before."""
_DAYS = 2
"""How far back the check looks: within the days that the aggregates' own policy refreshes, so that it loses nothing of
those that outlived their trades."""
_SECONDS = 3_600.0
"""A refresh of days that nobody refreshed takes its time."""
_COMPARED = """
WITH ours AS (
    SELECT token_id, kind, bucket, open, high, low, close, open_identity, close_identity, volume, trades
    FROM candles_{name} WHERE bucket >= $1
), theirs AS (
    SELECT c.token_id, v.kind, c.bucket, first(c.open, c.open_key) * scale AS open, max(c.high) * scale AS high,
        min(c.low) * scale AS low, last(c.close, c.close_key) * scale AS close,
        first(c.open_key, c.open_key) AS open_key, last(c.close_key, c.close_key) AS close_key,
        sum(c.quote_amount) * power(10::numeric, -v.quote_decimals) AS volume, sum(c.trades) AS trades
    FROM trades_cagg_{name} c JOIN tokens t ON t.id = c.token_id JOIN venues v ON v.id = c.venue_id,
        LATERAL (SELECT power(10::numeric, t.decimals - v.quote_decimals) AS scale) s
    WHERE c.bucket >= $1 GROUP BY 1, 2, 3, scale, v.quote_decimals
)
SELECT count(*) AS compared, count(*) FILTER (WHERE (
    ours.trades = theirs.trades AND ours.volume = theirs.volume
    AND ours.open_identity = substring(open_key FROM 17) AND ours.close_identity = substring(close_key FROM 17)
    AND {prices}
) IS NOT TRUE) AS differing FROM ours FULL JOIN theirs USING (token_id, kind, bucket)
"""
_PRICES = " AND ".join(
    f"abs(ours.{name} - theirs.{name}) <= 1e-20 * ours.{name}" for name in ("open", "high", "low", "close")
)
"""Equal to twenty digits: ours have 38, the aggregates 40 decimals before scaling."""


@dataclass(frozen=True, slots=True)
class Compared:
    """How many candles of one width were held against the aggregates, and how many differ or are on one side only."""

    width: str
    since: datetime
    compared: int
    differing: int


async def compare_candles(engine: AsyncEngine) -> list[Compared]:
    """Refreshes the aggregates of the last two days and of today, and holds every candle of them against ours.

    A trade that is stored late, between refresh and comparison, may show as a difference once. Raises StartupError
    where there are no aggregates.
    """
    async with engine.connect() as session:
        if await session.scalar(text("SELECT to_regclass('trades_cagg_1d') IS NULL")):
            raise StartupError("the database has no TimescaleDB aggregates to compare candles with.")
        await session.rollback()  # a refresh commits by itself
        connection: asyncpg.Connection = (await session.get_raw_connection()).driver_connection  # type: ignore[assignment]
        since: datetime = await connection.fetchval(f"SELECT date_trunc('day', now()) - INTERVAL '{_DAYS} days'")
        for name in _VIEWS:
            await connection.execute(
                f"CALL refresh_continuous_aggregate('trades_cagg_{name}', '{since}', now())", timeout=_SECONDS
            )
        return [await _compare(connection, name, since) for name in _WIDTHS]


async def _compare(connection: asyncpg.Connection, width: str, since: datetime) -> Compared:
    row = await connection.fetchrow(_COMPARED.format(name=width, prices=_PRICES), since, timeout=_SECONDS)
    assert row is not None
    return Compared(width, since, row["compared"], row["differing"])
