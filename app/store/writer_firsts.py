"""The first trade of each wallet in each token."""

from collections.abc import Iterable

import asyncpg

from app.store.writer_rows import TRADERS, ChainKey, TraderRow
from app.store.writer_trades import NewTrade

_KEPT = 200_000
_Place = tuple[int, int]

_NOTE = f"""
INSERT INTO token_traders AS t ({TRADERS.names}) {TRADERS.source()} ON CONFLICT (token_id, trader_id) DO UPDATE
SET first_time = excluded.first_time, first_position = excluded.first_position, first_identity = excluded.first_identity
WHERE (excluded.first_time, excluded.first_position, excluded.first_identity)
    < (t.first_time, t.first_position, t.first_identity)
RETURNING first_identity
"""


class Firsts:
    """Knows of many (token, wallet) a trade that is stored: a later one is not the first, and needs no look."""

    def __init__(self) -> None:
        self._known: dict[_Place, ChainKey] = {}

    def forget(self) -> None:
        self._known.clear()

    def candidates(self, trades: Iterable[NewTrade]) -> list[TraderRow]:
        """The earliest of `trades` of each wallet in each token, where it may be the first of all."""
        if len(self._known) > _KEPT:
            self.forget()
        found: dict[_Place, ChainKey] = {}
        for trade in trades:
            place = (trade.token_id, trade.trader_id)
            known = self._known.get(place)
            if known is None or trade.key < known:
                self._known[place] = found[place] = trade.key
        return [
            TraderRow(
                token_id=place[0], trader_id=place[1], first_time=key[0], first_position=key[1], first_identity=key[2]
            )
            for place, key in sorted(found.items())
        ]


async def note_firsts(connection: asyncpg.Connection, rows: list[TraderRow]) -> set[bytes]:
    """Stores those that are the first now; returns their identities."""
    if not rows:
        return set()
    return {row["first_identity"] for row in await connection.fetch(_NOTE, TRADERS.encode(rows))}
