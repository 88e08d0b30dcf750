"""What filters mean in SQL, and which mistakes in them are told."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Numeric, and_, any_, false, func, literal, not_, or_, select, true

from app.domain.programs import Protocol
from app.errors import InvalidInput
from app.schema.inputs import DateTimeFilter, FloatFilter, StringFilter, TokenFilter, TradeFilter
from app.store.keys import among
from app.store.measures import (
    token_liquidity,
    token_market_cap,
    token_price_usd,
    token_progress,
    trade_price_usd,
    trade_quote,
    trade_volume_usd,
)
from app.store.rows import to_time
from app.store.tables import token_traders, tokens, trades, venues, wallets

_MAX_VALUES = 500
_MAX_BRANCHES = 100
"""Members of one `and` or `or`: more cost more than a page is worth."""
Clause = ColumnElement[bool]
Rates = Mapping[str, Decimal]
AnyFilter = TypeVar("AnyFilter", TokenFilter, TradeFilter)


def token_clause(chosen: TokenFilter | None, head_time: int, rates: Rates) -> Clause | None:
    """The condition on a row of `tokens`; None where everything is selected."""
    if not chosen:
        return None
    clauses = _joined(chosen, lambda branch: token_clause(branch, head_time, rates))
    for text, column in (
        (chosen.mint_address, tokens.c.mint),
        (chosen.creator_address, tokens.c.creator),
        (chosen.quote_mint, tokens.c.quote_mint),
    ):
        clauses += _text(text, column)
    clauses += [_has_venue_of(chosen.protocol)] if isinstance(chosen.protocol, list) else []
    clauses += [among(tokens.c.stage, chosen.stage)] if isinstance(chosen.stage, list) else []
    clauses += _time(chosen.created_at, tokens.c.created_at, head_time)
    clauses += _time(chosen.last_trade_at, tokens.c.last_trade_at, head_time)
    for number, measure in (
        (chosen.price_usd, lambda: token_price_usd(rates)),
        (chosen.market_cap, lambda: token_market_cap(rates)),
        (chosen.liquidity, lambda: token_liquidity(rates)),
        (chosen.curve_progress, token_progress),
    ):
        clauses += _number(number, measure)
    return and_(*clauses) if clauses else None


def trade_clause(chosen: TradeFilter | None, head_time: int) -> Clause | None:
    """The condition on a row of `app.store.trades.select_trades`; None where everything is selected."""
    if not chosen:
        return None
    clauses = _joined(chosen, lambda branch: trade_clause(branch, head_time))
    clauses += _ids(chosen.mint_address, trades.c.token_id, tokens.c.id, tokens.c.mint)
    clauses += _ids(chosen.trader_address, trades.c.trader_id, wallets.c.id, wallets.c.address)
    clauses += _text(chosen.creator_address, tokens.c.creator)
    clauses += [among(trades.c.protocol, chosen.protocol)] if isinstance(chosen.protocol, list) else []
    clauses += [venues.c.kind == chosen.program] if chosen.program else []
    clauses += [trades.c.side == chosen.side] if chosen.side else []
    clauses += _number(chosen.volume_usd, trade_volume_usd)
    clauses += _number(chosen.quote_amount, trade_quote)
    clauses += _number(chosen.price_usd, trade_price_usd)
    clauses += _time(chosen.block_time, trades.c.block_time, head_time)
    clauses += [token_traders.c.first_identity == trades.c.identity] if chosen.first_trade_only else []
    return and_(*clauses) if clauses else None


def _joined(chosen: AnyFilter, clause: Callable[[AnyFilter], Clause | None]) -> list[Clause]:
    """The clauses of `and`, `or` and `not`. An unknown value satisfies no comparison, so its `not` holds."""
    branches = [*(chosen.and_ or ()), *(chosen.or_ or ())]
    if len(branches) > _MAX_BRANCHES:
        raise InvalidInput(f"`and` and `or` take at most {_MAX_BRANCHES} members; use `in` for many values.")
    clauses = [each for branch in chosen.and_ or () if (each := clause(branch)) is not None]
    if isinstance(chosen.or_, list):
        choices = [clause(branch) for branch in chosen.or_]
        clauses.append(or_(false(), *(true() if each is None else each for each in choices)))
    if chosen.not_:
        inner = clause(chosen.not_)
        clauses.append(not_(func.coalesce(true() if inner is None else inner, False)))
    return clauses


def _text(chosen: StringFilter | None, column: ColumnElement[Any]) -> list[Clause]:
    if not chosen:
        return []
    clauses: list[Clause] = []
    if isinstance(chosen.eq, str):
        clauses.append(column == chosen.eq)
    if (included := _values(chosen.in_)) is not None:
        clauses.append(among(column, included))
    if excluded := _values(chosen.not_in):
        # A text that is not known is none of them.
        clauses.append(func.coalesce(not_(among(column, excluded)), True))
    return clauses


def _ids(
    chosen: StringFilter | None, number: ColumnElement[Any], key: ColumnElement[Any], text: ColumnElement[Any]
) -> list[Clause]:
    """The same as `_text`, but on the trade's own number, found first: the planner then seeks in the index of it."""
    if not chosen:
        return []
    clauses: list[Clause] = []
    if isinstance(chosen.eq, str):
        clauses.append(number == select(key).where(text == chosen.eq).scalar_subquery())
    if (included := _values(chosen.in_)) is not None:
        clauses.append(number == any_(func.array(select(key).where(among(text, included)).scalar_subquery())))
    if excluded := _values(chosen.not_in):
        clauses.append(not_(number == any_(func.array(select(key).where(among(text, excluded)).scalar_subquery()))))
    return clauses


def _values(values: list[str] | None) -> list[str] | None:
    if not isinstance(values, list):
        return None
    if len(values) > _MAX_VALUES:
        raise InvalidInput(f"`in` and `notIn` take at most {_MAX_VALUES} values; ask several times.")
    return values


def _time(chosen: DateTimeFilter | None, column: ColumnElement[Any], head_time: int) -> list[Clause]:
    if not chosen:
        return []
    clauses: list[Clause] = []
    if chosen.gte:
        clauses.append(column >= chosen.gte)
    if chosen.lt:
        clauses.append(column < chosen.lt)
    if isinstance(chosen.within_seconds, int):
        if chosen.within_seconds < 0:
            raise InvalidInput("`withinSeconds` must not be negative.")
        clauses.append(column >= to_time(max(head_time - chosen.within_seconds, 0)))
    return clauses


def _number(chosen: FloatFilter | None, measure: Callable[[], ColumnElement[Any]]) -> list[Clause]:
    if not chosen:
        return []
    column = measure()
    comparisons: list[tuple[float | None, Callable[[Any, Any], Clause]]] = [
        (chosen.eq, lambda left, right: left == right),
        (chosen.gt, lambda left, right: left > right),
        (chosen.gte, lambda left, right: left >= right),
        (chosen.lt, lambda left, right: left < right),
        (chosen.lte, lambda left, right: left <= right),
    ]
    # The shortest decimal of a float is what its writer meant: 0.1 is compared as 0.1.
    return [
        compare(column, literal(Decimal(repr(float(value))), Numeric))
        for value, compare in comparisons
        if isinstance(value, int | float)
    ]


def _has_venue_of(protocols: Sequence[Protocol]) -> Clause:
    of_token = select(venues.c.id).where(venues.c.token_id == tokens.c.id)
    return of_token.where(among(venues.c.protocol, protocols)).exists()
