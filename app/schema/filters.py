"""What filters mean in SQL, and which mistakes in them are told."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Numeric, Select, and_, any_, false, func, literal, not_, or_, select, true

from app.domain.programs import Protocol
from app.errors import InvalidInput
from app.schema.arguments import check_address
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
"""Filters in a filter: more cost more than a page is worth."""
_MAX_DEPTH = 10
Clause = ColumnElement[bool]
Rates = Mapping[str, Decimal]
AnyFilter = TypeVar("AnyFilter", TokenFilter, TradeFilter)


def token_clause(chosen: TokenFilter | None, head_time: int, rates: Rates) -> Clause | None:
    """The condition on a row of `tokens`; None where everything is selected.

    Raises InvalidInput where the filter is too large, or names what cannot be an address.
    """
    _check_size(chosen)
    return _token_clause(chosen, head_time, rates)


def _token_clause(chosen: TokenFilter | None, head_time: int, rates: Rates) -> Clause | None:
    if not chosen:
        return None
    clauses = _joined(chosen, lambda branch: _token_clause(branch, head_time, rates))
    clauses += _addresses(chosen.mint_address, tokens.c.mint, "mintAddress")
    clauses += _addresses(chosen.creator_address, tokens.c.creator, "creatorAddress")
    clauses += _addresses(chosen.quote_mint, tokens.c.quote_mint, "quoteMint")
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
    """The condition on a row of `app.store.trades.select_trades`; None where everything is selected.

    Raises InvalidInput where the filter is too large, or names what cannot be an address.
    """
    _check_size(chosen)
    return _trade_clause(chosen, head_time)


def _trade_clause(chosen: TradeFilter | None, head_time: int) -> Clause | None:
    if not chosen:
        return None
    clauses = _joined(chosen, lambda branch: _trade_clause(branch, head_time))
    clauses += _ids(chosen.mint_address, trades.c.token_id, (tokens.c.id, tokens.c.mint), "mintAddress")
    clauses += _ids(chosen.trader_address, trades.c.trader_id, (wallets.c.id, wallets.c.address), "traderAddress")
    clauses += _ids(chosen.creator_address, trades.c.token_id, (tokens.c.id, tokens.c.creator), "creatorAddress")
    clauses += [among(trades.c.protocol, chosen.protocol)] if isinstance(chosen.protocol, list) else []
    clauses += [venues.c.kind == chosen.program] if chosen.program else []
    clauses += [trades.c.side == chosen.side] if chosen.side else []
    clauses += _number(chosen.volume_usd, trade_volume_usd)
    clauses += _number(chosen.quote_amount, trade_quote)
    clauses += _number(chosen.price_usd, trade_price_usd)
    clauses += _time(chosen.block_time, trades.c.block_time, head_time)
    clauses += [token_traders.c.first_identity == trades.c.identity] if chosen.first_trade_only else []
    return and_(*clauses) if clauses else None


def _check_size(chosen: TokenFilter | TradeFilter | None) -> None:
    """Level by level, so that no depth of nesting can exhaust the stack."""
    level, count = [chosen] if chosen else [], 0
    for _ in range(_MAX_DEPTH):
        count += len(level)
        if count > _MAX_BRANCHES:
            raise InvalidInput(f"A filter has at most {_MAX_BRANCHES} parts; use `in` for many values.")
        level = [each for part in level for each in (*(part.and_ or ()), *(part.or_ or ()), part.not_) if each]
    if level:
        raise InvalidInput(f"`and`, `or` and `not` may be nested {_MAX_DEPTH} deep at most.")


def _joined(chosen: AnyFilter, clause: Callable[[AnyFilter], Clause | None]) -> list[Clause]:
    """The clauses of `and`, `or` and `not`. An unknown value satisfies no comparison, so its `not` holds."""
    clauses = [each for branch in chosen.and_ or () if (each := clause(branch)) is not None]
    if isinstance(chosen.or_, list):
        choices = [clause(branch) for branch in chosen.or_]
        clauses.append(or_(false(), *(true() if each is None else each for each in choices)))
    if chosen.not_:
        inner = clause(chosen.not_)
        clauses.append(not_(func.coalesce(true() if inner is None else inner, False)))
    return clauses


def _addresses(chosen: StringFilter | None, column: ColumnElement[Any], name: str) -> list[Clause]:
    if not chosen:
        return []
    clauses: list[Clause] = []
    if isinstance(chosen.eq, str):
        clauses.append(column == check_address(chosen.eq, name))
    if (included := _values(chosen.in_, name)) is not None:
        clauses.append(among(column, included))
    if excluded := _values(chosen.not_in, name):
        # A text that is not known is none of them.
        clauses.append(func.coalesce(not_(among(column, excluded)), True))
    return clauses


def _ids(
    chosen: StringFilter | None,
    number: ColumnElement[Any],
    named: tuple[ColumnElement[Any], ColumnElement[Any]],
    name: str,
) -> list[Clause]:
    """As `_addresses`, but on the trade's own number, found first: the planner then seeks in the index of it."""
    if not chosen:
        return []
    key, text = named
    clauses: list[Clause] = []
    if isinstance(chosen.eq, str):
        found = select(key).where(text == check_address(chosen.eq, name))
        # A creator has many tokens. A mint or wallet has one number: compared with one, the index gives the order too.
        is_one = text is not tokens.c.creator
        clauses.append(number == found.correlate(None).scalar_subquery() if is_one else _among_found(number, found))
    if (included := _values(chosen.in_, name)) is not None:
        clauses.append(_among_found(number, select(key).where(among(text, included))))
    if excluded := _values(chosen.not_in, name):
        clauses.append(not_(_among_found(number, select(key).where(among(text, excluded)))))
    return clauses


def _among_found(number: ColumnElement[Any], found: Select[Any]) -> Clause:
    return number == any_(func.array(found.correlate(None).scalar_subquery()))


def _values(values: list[str] | None, name: str) -> list[str] | None:
    if not isinstance(values, list):
        return None
    if len(values) > _MAX_VALUES:
        raise InvalidInput(f"`in` and `notIn` take at most {_MAX_VALUES} values; ask several times.")
    return [check_address(value, name) for value in values]


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
