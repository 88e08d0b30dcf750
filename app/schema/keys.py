"""Keys of loaders: a token, or part of it, with the arguments that its field was asked with."""

from typing import NamedTuple

from app.domain.candles import Interval
from app.domain.programs import TradeProgram
from app.store.candles import ChartRange
from app.store.trades import TradeQuery


class TradesKey:
    """A page of one token's trades. Pages of other tokens with equal arguments are read together."""

    __slots__ = ("arguments", "query", "token_id")

    def __init__(self, token_id: int, arguments: str, query: TradeQuery) -> None:
        self.token_id = token_id
        self.arguments = arguments
        self.query = query

    def __hash__(self) -> int:
        return hash((self.token_id, self.arguments))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TradesKey) and (self.token_id, self.arguments) == (other.token_id, other.arguments)


class ChartKey(NamedTuple):
    mint: str
    range: ChartRange


class HoldersKey(NamedTuple):
    token_id: int
    limit: int
    exclude_vaults: bool


class CandleKey(NamedTuple):
    token_id: int
    interval: Interval
    program: TradeProgram | None
    start: int
