"""One price API: asked no more often than it allows, left alone while it fails."""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import httpx2

from app.errors import StartupError
from indexer.sources.rates.bodies import (
    QUOTE_MINTS,
    BadAnswer,
    Read,
    careful,
    read_coingecko,
    read_dexscreener,
    read_jupiter,
)

_LOG = logging.getLogger(__name__)
_TIMEOUT_SECONDS: Final = 5.0
_MAX_BODY_BYTES: Final = 2 * 1024 * 1024
_LONGEST_PAUSE_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class Kind:
    """An API that we can read."""

    read: Read
    query: Callable[[str], str]
    """Its address to the address of our question."""
    every_seconds: float
    """How often it may be asked without a key, by its documentation, with room left."""


_MINTS: Final = ",".join(QUOTE_MINTS)
KINDS: Final = {
    # 30 requests a minute without a key (Jupiter developer documentation, Rate Limits)
    "jupiter": Kind(careful(read_jupiter), lambda url: f"{url}?ids={_MINTS}", 10),
    # answers are renewed every 60 seconds (CoinGecko API, Coin Price by IDs)
    "coingecko": Kind(
        careful(read_coingecko),
        lambda url: f"{url}?ids=solana,usd-coin,tether&vs_currencies=usd&include_last_updated_at=true&precision=full",
        60,
    ),
    # 300 requests a minute (DEX Screener API Reference)
    "dexscreener": Kind(careful(read_dexscreener), lambda url: f"{url}/{_MINTS}", 10),
}


class Host:
    """Keeps the newest answer of one API. `ask` never raises: a failure makes the pauses longer."""

    def __init__(self, name: str, url: str, *, every_seconds: float | None = None) -> None:
        self.name = name
        self.prices: dict[str, Decimal] = {}
        self.answered_at = 0.0
        """`time.time()` of the newest good answer."""
        self.trouble: str | None = None
        """Why the last question failed, for people."""
        self._kind = KINDS[name]
        self._url = self._kind.query(url.rstrip("/"))
        self._every = self._kind.every_seconds if every_seconds is None else every_seconds
        self._failures = 0
        self._asks_at = 0.0
        """`time.monotonic()` before which it is left alone."""

    @property
    def waits_seconds(self) -> float:
        """Until it may be asked again."""
        return max(0.0, self._asks_at - time.monotonic())

    async def ask(self, client: httpx2.AsyncClient) -> None:
        """Asks, if it may be asked now."""
        if self.waits_seconds > 0:
            return
        self._asks_at = time.monotonic() + self._every
        try:
            response = await client.get(self._url, timeout=_TIMEOUT_SECONDS)
            response.raise_for_status()
            if len(response.content) > _MAX_BODY_BYTES:
                raise BadAnswer("the answer is too long")
            self.prices = self._kind.read(response.content, time.time())
        except httpx2.HTTPStatusError as error:
            self._fail(f"HTTP {error.response.status_code}", _retry_after(error.response))
        except (httpx2.HTTPError, httpx2.InvalidURL, BadAnswer) as error:
            self._fail(str(error) or type(error).__name__, 0.0)
        else:
            self.answered_at, self._failures, self.trouble = time.time(), 0, None

    def _fail(self, why: str, wait: float) -> None:
        """Twice the pause after each failure, with jitter; one question at its end tries whether the API is back."""
        self._failures += 1
        pause = min(self._every * 2 ** min(self._failures, 16) * random.uniform(0.5, 1), _LONGEST_PAUSE_SECONDS)
        pause = max(pause, wait)
        self._asks_at = time.monotonic() + pause
        if self.trouble is None:
            _LOG.warning("a price API fails", extra={"api": self.name, "cause": why, "wait_seconds": round(pause)})
        self.trouble = why


def hosts(setting: str) -> list[Host]:
    """The APIs of CURVECAST_PRICE_APIS: `name=address`, comma separated; `none` for none.

    Raises StartupError for a name that we cannot read or an address that is none.
    """
    if setting.strip() == "none":
        return []
    return [_host(*map(str.strip, part.partition("=")[::2])) for part in setting.split(",") if part.strip()]


def _host(name: str, url: str) -> Host:
    if name not in KINDS:
        raise StartupError(f"CURVECAST_PRICE_APIS names {name!r}: known are {', '.join(KINDS)}, or none.")
    if not url.startswith(("http://", "https://")):
        raise StartupError(f"CURVECAST_PRICE_APIS gives {name} no address: write {name}=https://…")
    return Host(name, url)


def _retry_after(response: httpx2.Response) -> float:
    """Seconds that the API asks us to wait; 0 where it says nothing or a date."""
    text = response.headers.get("retry-after", "")
    return min(float(text), 24 * 3600.0) if text.isdigit() else 0.0
