"""By what the router finds subscribers: the indexed parts and measures of each kind of record."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from app.domain.money import multiply, whole
from app.domain.programs import Protocol, Side
from app.domain.records import GraduationRecord, Milestone, RecordKind, TokenRecord, TradeRecord
from app.live.routing import MINT, Key, Router

TRADER: Final = "trader"
CREATOR: Final = "creator"
PROTOCOL: Final = "protocol"
SIDE: Final = "side"
KIND: Final = "kind"
VOLUME_USD: Final = "volumeUsd"
QUOTE_AMOUNT: Final = "quoteAmount"


class Lifecycle(NamedTuple):
    """A record of a token's life, or a trade, which may be a step of it, with its token after it."""

    kind: RecordKind
    record: Milestone | GraduationRecord | TradeRecord
    token: TokenRecord | None


class TokenState(NamedTuple):
    """A token (None: not indexed) as it was when the feed had come to `sequence`, or newer."""

    sequence: int
    token: TokenRecord | None


def quote_amount(trade: TradeRecord) -> Decimal:
    """Of a trade, in whole quote tokens."""
    return whole(trade.quote_amount, trade.quote_decimals)


def volume_usd(trade: TradeRecord) -> Decimal | None:
    """Of a trade, at the rate of its time; None without one."""
    return None if trade.quote_usd is None else multiply(quote_amount(trade), trade.quote_usd)


TRADE_MEASURES: Final[Mapping[str, Callable[[TradeRecord], Decimal | None]]] = {
    VOLUME_USD: volume_usd,
    QUOTE_AMOUNT: quote_amount,
}


def trade_router() -> Router[TradeRecord]:
    """By mint, trader, creator, protocol and side; by value in USD and by quote amount."""
    return Router(_trade_keys, TRADE_MEASURES)


def launch_router() -> Router[TokenRecord]:
    """By mint and creator."""
    return Router(_launch_keys)


def graduation_router() -> Router[GraduationRecord]:
    """By mint."""
    return Router(lambda graduation: ((MINT, graduation.mint),))


def lifecycle_router() -> Router[Lifecycle]:
    """By kind."""
    return Router(lambda each: (lifecycle_key(each.kind),))


def lifecycle_key(kind: RecordKind) -> Key:
    return KIND, kind.name


def state_router() -> Router[TokenState]:
    """By mint."""
    return Router(lambda state: () if state.token is None else ((MINT, state.token.mint),))


_PROTOCOLS: Final[Mapping[int, Key]] = {each: (PROTOCOL, each.name) for each in Protocol}
_SIDES: Final[Mapping[int, Key]] = {each: (SIDE, each.name) for each in Side}
"""Made once: a member of an enumeration takes longer to tell its name than a key to be looked up."""


def _trade_keys(trade: TradeRecord) -> Sequence[Key]:
    mint, trader = (MINT, trade.mint), (TRADER, trade.trader)
    protocol, side = _PROTOCOLS[trade.program], _SIDES[trade.side]
    if trade.creator is None:
        return mint, trader, protocol, side
    return mint, trader, protocol, side, (CREATOR, trade.creator)


def _launch_keys(token: TokenRecord) -> list[Key]:
    keys = [(MINT, token.mint)]
    return keys if token.creator is None else [*keys, (CREATOR, token.creator)]
