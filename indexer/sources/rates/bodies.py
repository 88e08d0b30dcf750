"""What the public price APIs answer, read to US dollars per whole token by mint. Pure; raises BadAnswer."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from app.domain.programs import USDC, USDT, WSOL
from app.errors import CurvecastError

QUOTE_MINTS: Final = (WSOL, USDC, USDT)
"""What launches are quoted in."""
_COINGECKO: Final = {WSOL: "solana", USDC: "usd-coin", USDT: "tether"}
_STALE_SECONDS: Final = 300
"""An answer that says itself that it is older than this is none."""
_MAX_EXPONENT: Final = 12

Read = Callable[[bytes, float], dict[str, Decimal]]
"""Body and present time (Unix seconds) to US dollars by mint; what the answer leaves out is absent."""


class BadAnswer(CurvecastError):
    """A body that is not what the API's documentation says."""


def read_jupiter(body: bytes, now: float) -> dict[str, Decimal]:
    """Jupiter, Price API V3: `{mint: {"usdPrice": number, …}}`; unknown mints are absent."""
    answer = _object(_parsed(body))
    return {mint: _price(_object(answer[mint])["usdPrice"]) for mint in QUOTE_MINTS if answer.get(mint)}


def read_coingecko(body: bytes, now: float) -> dict[str, Decimal]:
    """CoinGecko, Coin Price by IDs: `{id: {"usd": number, "last_updated_at": Unix seconds}}`."""
    answer = _object(_parsed(body))
    told = {mint: _object(answer[coin]) for mint, coin in _COINGECKO.items() if answer.get(coin)}
    return {
        mint: _price(coin["usd"])
        for mint, coin in told.items()
        if now - coin.get("last_updated_at", now) < _STALE_SECONDS
    }


def read_dexscreener(body: bytes, now: float) -> dict[str, Decimal]:
    """DEX Screener API Reference, token pairs: a list of pairs; the one with most liquidity prices its base token. A
    pair that is still on its curve has no liquidity and prices nothing here."""
    answer = _parsed(body)
    if not isinstance(answer, list):
        raise BadAnswer("the answer is not a list of pairs")
    deepest: dict[str, tuple[Decimal, Decimal]] = {}
    for pair in map(_object, answer):
        mint = _object(pair.get("baseToken"))["address"]
        liquidity = Decimal((pair.get("liquidity") or {}).get("usd") or 0)
        if mint in QUOTE_MINTS and liquidity > deepest.get(mint, (Decimal(0),))[0]:
            deepest[mint] = (liquidity, _price(pair["priceUsd"]))
    return {mint: price for mint, (_, price) in deepest.items()}


def careful(read: Read) -> Read:
    """`read`, for bodies from strangers: whatever is wrong with one is BadAnswer."""

    def read_carefully(body: bytes, now: float) -> dict[str, Decimal]:
        try:
            return read(body, now)
        except (ValueError, ArithmeticError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise BadAnswer(f"the answer cannot be read: {type(error).__name__}") from None

    return read_carefully


def _parsed(body: bytes) -> Any:
    return json.loads(body, parse_float=Decimal)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadAnswer("the answer is not made of objects")
    return value


def _price(value: Any) -> Decimal:
    """A price in dollars; one that no currency has, as 0 or 1e999, is an error of the API."""
    price = Decimal(value)
    if isinstance(value, bool) or not price.is_finite() or price <= 0 or abs(price.adjusted()) > _MAX_EXPONENT:
        raise BadAnswer("a price cannot be one")
    return price
