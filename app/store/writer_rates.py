"""Quote-to-USD rates by chain time, as the writer knows them: from the sources, or one that the settings fix."""

from bisect import bisect_right, insort
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

import asyncpg

from app.domain.events import Rate
from app.domain.programs import WSOL
from app.errors import StartupError
from app.settings import Settings

_KEPT = 100_000
"""Rates of a quote held in memory, newest ones: months at one a minute."""


class RateBook:
    """Answers what a quote token was worth at a time. Nothing is assumed: a stablecoin too needs a rate."""

    def __init__(self, settings: Settings) -> None:
        self._fixed = {WSOL: _fixed_rate(settings.sol_usd)} if settings.sol_usd else {}
        self._max_age = settings.rate_max_age_seconds
        self._known: dict[str, list[tuple[int, Decimal]]] = {}

    async def load(self, connection: asyncpg.Connection) -> None:
        """Takes the newest stored rates."""
        self._known.clear()
        rows = await connection.fetch("SELECT quote_mint, time, usd FROM rates ORDER BY time DESC LIMIT $1", _KEPT)
        for row in reversed(rows):
            self._known.setdefault(row["quote_mint"], []).append((int(row["time"].timestamp()), row["usd"]))

    def learn(self, rates: Iterable[Rate]) -> list[Rate]:
        """Takes rates in; returns those that were new, once each. The first one told for a second stays."""
        fresh = []
        for rate in rates:
            known = self._known.setdefault(rate.quote_mint, [])
            place = bisect_right(known, rate.time, key=_time)
            if place and known[place - 1][0] == rate.time:
                continue
            insort(known, (rate.time, Decimal(rate.usd)), key=_time)
            del known[:-_KEPT]
            fresh.append(rate)
        return fresh

    def at(self, quote_mint: str, time: int) -> Decimal | None:
        """US dollars per whole quote token: the newest rate at or before `time`; None when it is too old."""
        if quote_mint in self._fixed:
            return self._fixed[quote_mint]
        known = self._known.get(quote_mint, [])
        place = bisect_right(known, time, key=_time)
        if place == 0 or time - known[place - 1][0] > self._max_age:
            return None
        return known[place - 1][1]


async def store_rates(connection: asyncpg.Connection, rates: list[Rate]) -> None:
    """Keeps new rates; one that is there stays."""
    if rates:
        await connection.executemany(
            "INSERT INTO rates (quote_mint, time, usd) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            [(rate.quote_mint, datetime.fromtimestamp(rate.time, UTC), Decimal(rate.usd)) for rate in rates],
        )


def newest(rates: list[Rate]) -> tuple[Rate, ...]:
    """The newest of each quote mint."""
    by_quote: dict[str, Rate] = {}
    for rate in sorted(rates, key=lambda rate: rate.time):
        by_quote[rate.quote_mint] = rate
    return tuple(by_quote.values())


def _time(entry: tuple[int, Decimal]) -> int:
    return entry[0]


def _fixed_rate(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise StartupError(f"CURVECAST_SOL_USD is not a number: {text!r}. It looks like 150.25.") from None
