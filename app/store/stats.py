"""Volume and trades of every token in every window, for lists sorted by them: recomputed beside the writing.

Windows end at the head and are cut to whole minutes, so that they sum 1m candles; what a token's own statistics show is
exact to the second and read elsewhere.
"""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

WINDOWS = (60, 300, 900, 1_800, 3_600, 14_400, 21_600, 43_200, 86_400)
"""Seconds, the StatsWindow of the SDL."""

_RECOMPUTE = """
WITH head AS (
    SELECT date_trunc('minute', head_time) AS minute FROM feed WHERE id = 1 AND head_time IS NOT NULL
), candles AS MATERIALIZED (
    SELECT token_id, bucket, volume_usd, volume, trades FROM candles_1m, head
    WHERE bucket > minute - make_interval(secs => :longest) AND bucket <= minute
), fresh AS MATERIALIZED (
    SELECT token_id, "window", sum(volume_usd) AS volume_usd, sum(volume) AS volume, sum(trades) AS trade_count
    FROM candles, head, unnest(CAST(:windows AS int[])) AS given("window")
    WHERE bucket > minute - make_interval(secs => "window") GROUP BY token_id, "window"
), gone AS (
    DELETE FROM token_stats s WHERE NOT EXISTS (
        SELECT FROM fresh f WHERE f.token_id = s.token_id AND f."window" = s."window"
    )
)
INSERT INTO token_stats AS s (token_id, "window", volume_usd, volume, trade_count) SELECT * FROM fresh
ON CONFLICT (token_id, "window") DO UPDATE
SET volume_usd = excluded.volume_usd, volume = excluded.volume, trade_count = excluded.trade_count
WHERE (s.volume_usd, s.volume, s.trade_count) IS DISTINCT FROM
    (excluded.volume_usd, excluded.volume, excluded.trade_count)
"""


async def recompute_stats(engine: AsyncEngine) -> None:
    """Brings `token_stats` to the head. Only rows that differ are written."""
    async with engine.begin() as connection:
        await connection.execute(text(_RECOMPUTE), {"longest": max(WINDOWS), "windows": list(WINDOWS)})
