"""The source `rates`: what SOL and the stablecoins are worth in US dollars, from several public APIs."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from decimal import Decimal
from typing import Final

import httpx2

from app.domain.events import Rate
from app.domain.health import DOWN, OK
from indexer.sources import Delivery
from indexer.sources.rates.bodies import QUOTE_MINTS
from indexer.sources.rates.host import Host

_FRESH_SECONDS: Final = 150.0
"""An answer counts for so long: twice what the slowest API takes between answers, and a little."""


class RatesSource:
    """The median of what the APIs say now. One that is wrong or away changes nothing while two others agree; when none
    is fresh, no rate is told, and values in US dollars are null."""

    name = "rates"
    is_simulated = False

    def __init__(self, hosts: Sequence[Host], *, every_seconds: float = 10.0) -> None:
        self._hosts = hosts
        self._every = every_seconds

    def components(self) -> list[tuple[str, str, str]]:
        """(name, OK or DOWN, detail) of each API."""
        return [(f"rates {each.name}", DOWN if each.trouble else OK, each.trouble or "") for each in self._hosts]

    async def stream(self, state: bytes | None) -> AsyncIterator[Delivery]:
        """Rates of the present, without an end; there is nothing to resume."""
        async with httpx2.AsyncClient(headers={"accept": "application/json"}) as client:
            while True:
                await asyncio.gather(*(host.ask(client) for host in self._hosts))
                if rates := median_rates(self._hosts, time.time()):
                    yield Delivery(rates=tuple(rates))
                await asyncio.sleep(self._every)


def median_rates(hosts: Iterable[Host], now: float) -> list[Rate]:
    """The median of the fresh answers for each quote mint that has one."""
    fresh = [host.prices for host in hosts if now - host.answered_at < _FRESH_SECONDS]
    told: dict[str, list[Decimal]] = {
        mint: [prices[mint] for prices in fresh if mint in prices] for mint in QUOTE_MINTS
    }
    return [Rate(mint, int(now), format(statistics.median(prices), "f")) for mint, prices in told.items() if prices]
