"""Candles of which trades were withdrawn: made again from what remains, each width from the next smaller one."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import asyncpg

from app.domain.money import spot_price
from app.domain.programs import Side
from app.store.writer_candles import MINUTE, fold_minutes, store_candles
from app.store.writer_rows import CANDLES, ChainKey

_OPENS, _CLOSES = "open_time, open_position, open_identity", "close_time, close_position, close_identity"
_GIVEN = "unnest($1::integer[], $2::smallint[], $3::timestamptz[]) AS given(token_id, kind, bucket)"
_REMAINING = """
SELECT t.token_id, v.kind, t.block_time, t.position, t.identity, t.side, t.quote_amount, v.quote_decimals, k.decimals,
    t.virtual_base_reserves, t.virtual_quote_reserves, t.sqrt_price, t.quote_usd
FROM (SELECT DISTINCT token_id, bucket FROM unnest($1::integer[], $2::timestamptz[]) AS u(token_id, bucket)) AS given
JOIN trades t ON t.token_id = given.token_id
    AND t.block_time >= given.bucket AND t.block_time < given.bucket + interval '1 minute'
JOIN venues v ON v.id = t.venue_id JOIN tokens k ON k.id = t.token_id
WHERE t.block_time >= $3 AND t.block_time < $4
"""
"""The bounds let Postgres skip the partitions of other days."""
Bucket = tuple[int, int, int]
"""Token, kind, and when it starts."""


class _Swap(NamedTuple):
    venue_kind: int
    side: Side
    quote_amount: int
    quote_decimals: int


class _Stored(NamedTuple):
    event: _Swap
    key: ChainKey
    token_id: int
    spot: Decimal | None
    quote_usd: Decimal | None


async def refold(connection: asyncpg.Connection, minutes: set[Bucket]) -> None:
    """Makes the candles of these minutes, and the wider ones that they are in, from the trades that are stored now."""
    if not minutes:
        return
    await _refold_minutes(connection, minutes)
    smaller = CANDLES[MINUTE].table.name
    for width in list(CANDLES)[1:]:
        table = CANDLES[width].table.name
        wider = {(token_id, kind, start - start % width) for token_id, kind, start in minutes}
        given = _columns(wider)
        await _delete(connection, table, given)
        await connection.execute(_join(table, smaller, width), *given)
        smaller = table


async def _refold_minutes(connection: asyncpg.Connection, minutes: set[Bucket]) -> None:
    given = _columns(minutes)
    starts = given[2]
    await _delete(connection, "candles_1m", given)
    until = datetime.fromtimestamp(max(start for _, _, start in minutes) + MINUTE, UTC)
    rows = await connection.fetch(_REMAINING, given[0], starts, min(starts), until)
    folded = fold_minutes(_stored(row) for row in rows)
    candles = [candle for bucket, candle in sorted(folded.items()) if bucket in minutes]
    for candle in candles:
        candle.widths = 1
    if candles:
        await store_candles(connection, CANDLES[MINUTE].encode(candles))


async def _delete(connection: asyncpg.Connection, table: str, given: tuple[list[Any], ...]) -> None:
    await connection.execute(
        f"DELETE FROM {table} c USING {_GIVEN}"
        " WHERE c.token_id = given.token_id AND c.kind = given.kind AND c.bucket = given.bucket",
        *given,
    )


def _join(table: str, smaller: str, width: int) -> str:
    """SQL that makes candles of `width` seconds from those of the next smaller width."""
    names = CANDLES[width].names

    def pick(column: str, order: str) -> str:
        return f"(array_agg(c.{column} ORDER BY {order}))[1]"

    last = _CLOSES.replace(",", " DESC,") + " DESC"
    values = {"token_id": "given.token_id", "kind": "given.kind", "bucket": "given.bucket"}
    values |= {name: pick(name, _OPENS) for name in ("open", "open_usd", *_OPENS.split(", "))}
    values |= {name: pick(name, last) for name in ("close", "close_usd", *_CLOSES.split(", "))}
    values |= {name: f"max(c.{name})" for name in ("high", "high_usd")}
    values |= {name: f"min(c.{name})" for name in ("low", "low_usd")}
    listed = ", ".join(values.get(name.strip('"'), f"sum(c.{name})") for name in names.split(", "))
    return (
        f"INSERT INTO {table} ({names}) SELECT {listed} FROM {_GIVEN} JOIN {smaller} c"
        " ON c.token_id = given.token_id AND c.kind = given.kind AND c.bucket >= given.bucket"
        f" AND c.bucket < given.bucket + interval '{width} seconds'"
        " GROUP BY given.token_id, given.kind, given.bucket"
    )


def _columns(buckets: Iterable[Bucket]) -> tuple[list[int], list[int], list[datetime]]:
    rows = sorted(buckets)
    times = [datetime.fromtimestamp(start, UTC) for _, _, start in rows]
    return [token_id for token_id, _, _ in rows], [kind for _, kind, _ in rows], times


def _stored(row: asyncpg.Record) -> _Stored:
    virtual_base, virtual_quote, sqrt_price = (
        None if row[name] is None else int(row[name])
        for name in ("virtual_base_reserves", "virtual_quote_reserves", "sqrt_price")
    )
    return _Stored(
        event=_Swap(row["kind"], Side(row["side"]), int(row["quote_amount"]), row["quote_decimals"]),
        key=(int(row["block_time"].timestamp()), row["position"], row["identity"]),
        token_id=row["token_id"],
        spot=spot_price(virtual_quote, virtual_base, sqrt_price, row["quote_decimals"], row["decimals"]),
        quote_usd=row["quote_usd"],
    )
