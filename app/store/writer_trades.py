"""Trades into their table: COPY in text form, which Python formats and Postgres parses faster than bound numerics."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias

import asyncpg
from solders.signature import Signature

from app.domain.events import Event, Trade
from app.domain.money import spot_price
from app.store.writer_rows import ChainKey

COLUMNS = (
    "block_time",
    "identity",
    "position",
    "sequence",
    "token_id",
    "trader_id",
    "venue_id",
    "signature",
    "ordinal",
    "protocol",
    "side",
    "commitment",
    "base_amount",
    "quote_amount",
    "fee",
    "virtual_base_reserves",
    "virtual_quote_reserves",
    "real_base_reserves",
    "real_quote_reserves",
    "sqrt_price",
    "quote_usd",
    "compute_units",
    "priority_fee",
    "indexed_at",
)
_LINES = 64
"""Some 25 kB: a part for which it is worth waking the server."""


class NewTrade:
    """A trade on its way in. What follows from the event alone is made at once, which may be while another batch is
    being stored; what the writer finds out is set by it, anew with each attempt."""

    __slots__ = (
        "_amounts",
        "event",
        "key",
        "quote_usd",
        "sequence",
        "spot",
        "token_id",
        "trader_id",
        "venue_id",
    )

    def __init__(self, event: Trade, key: ChainKey) -> None:
        self.event = event
        self.key = key
        self.token_id = self.trader_id = self.venue_id = self.sequence = 0
        self.quote_usd: Decimal | None = None
        self._amounts = (
            f"{event.base_amount}\t{event.quote_amount}\t{_value(event.fee)}\t{_value(event.virtual_base_reserves)}\t"
            f"{_value(event.virtual_quote_reserves)}\t{_value(event.real_base_reserves)}\t"
            f"{_value(event.real_quote_reserves)}\t{_value(event.sqrt_price)}"
        )
        self.spot = spot_after(event)

    def line(self, now: str) -> str:
        """The trade as COPY reads it. Raises ValueError when its signature is none."""
        event = self.event
        time, position, identity = self.key
        return (
            f"{_text(time)}\t\\\\x{identity.hex()}\t{position}\t{self.sequence}\t{self.token_id}\t{self.trader_id}\t"
            f"{self.venue_id}\t\\\\x{signature_bytes(event.signature).hex()}\t{event.ordinal}\t{event.program:d}\t"
            f"{event.side:d}\t{event.commitment:d}\t{self._amounts}\t{_value(self.quote_usd)}\t"
            f"{_value(event.compute_units)}\t{_value(event.priority_fee)}\t{now}\n"
        )


def spot_after(event: Trade) -> Decimal | None:
    """The venue's price after a trade; None where the event does not tell it."""
    return spot_price(
        event.virtual_quote_reserves,
        event.virtual_base_reserves,
        event.sqrt_price,
        event.quote_decimals,
        event.base_decimals,
    )


Arrived: TypeAlias = tuple[Event, ChainKey, NewTrade | None]
"""An event with what the writer needs of it."""


async def copy_trades(connection: asyncpg.Connection, trades: Sequence[NewTrade], indexed_at: datetime) -> None:
    """Stores trades; raises asyncpg.UniqueViolationError when one of them is stored already."""
    await connection.copy_to_table("trades", source=_lines(trades, indexed_at.isoformat()), columns=COLUMNS)


async def stored_among(connection: asyncpg.Connection, trades: Sequence[NewTrade]) -> dict[bytes, int]:
    """Identity and commitment of those that are stored already. The time bounds let Postgres skip the partitions of
    other days."""
    times = [_datetime(trade.key[0]) for trade in trades]
    rows = await connection.fetch(
        "SELECT trades.identity, trades.commitment FROM unnest($1::timestamptz[], $2::bytea[], $3::integer[])"
        " AS given(block_time, identity, token_id) JOIN trades USING (block_time, identity, token_id)"
        " WHERE trades.block_time BETWEEN $4 AND $5",
        times,
        [trade.key[2] for trade in trades],
        [trade.token_id for trade in trades],
        min(times),
        max(times),
    )
    return {row["identity"]: row["commitment"] for row in rows}


async def raise_commitments(connection: asyncpg.Connection, trades: Sequence[NewTrade]) -> list[int]:
    """Gives stored trades the commitment with which they came again; returns their sequences."""
    if not trades:
        return []
    times = [_datetime(trade.key[0]) for trade in trades]
    rows = await connection.fetch(
        "UPDATE trades SET commitment = given.commitment"
        " FROM unnest($1::timestamptz[], $2::bytea[], $3::integer[], $4::smallint[])"
        " AS given(block_time, identity, token_id, commitment)"
        " WHERE trades.block_time = given.block_time AND trades.identity = given.identity"
        " AND trades.token_id = given.token_id AND trades.block_time BETWEEN $5 AND $6 RETURNING trades.sequence",
        times,
        [trade.key[2] for trade in trades],
        [trade.token_id for trade in trades],
        [int(trade.event.commitment) for trade in trades],
        min(times),
        max(times),
    )
    return [row["sequence"] for row in rows]


def signature_bytes(signature: str) -> bytes:
    """The 64 bytes of a base58 signature. Raises ValueError when it is none."""
    return bytes(Signature.from_string(signature))


async def _lines(trades: Sequence[NewTrade], now: str) -> AsyncIterator[bytes]:
    """The database stores one part while the next is being formatted."""
    for start in range(0, len(trades), _LINES):
        yield "".join([trade.line(now) for trade in trades[start : start + _LINES]]).encode()


def _value(value: int | Decimal | None) -> str:
    return "\\N" if value is None else str(value)


@lru_cache(maxsize=4_096)
def _text(time: int) -> str:
    return _datetime(time).isoformat()


def _datetime(time: int) -> datetime:
    return datetime.fromtimestamp(time, UTC)
