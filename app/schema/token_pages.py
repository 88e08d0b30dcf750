"""Pages of tokens: their sort orders, and the cursors that carry the sort values of a token."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Numeric, and_, func, literal, select
from sqlalchemy.types import DateTime

from app.domain.cursors import Cursors
from app.domain.records import TokenRecord
from app.errors import InvalidInput
from app.schema.arguments import PageArguments
from app.schema.context import Context
from app.schema.enums import SortDirection, StatsWindow, TokenOrderField
from app.schema.filters import token_clause
from app.schema.inputs import TokenFilter, TokenOrder
from app.schema.pagination import Page, part_of, to_page
from app.store.measures import token_liquidity, token_market_cap, token_price_usd, token_progress
from app.store.pages import Slice, SortKey
from app.store.tables import token_stats, tokens
from app.store.tokens import TokenPage, count_tokens, read_token_page

_MAX_KEYS = 5
_COUNT_LIMIT = 10_001
_UNKNOWN_NUMBER = literal(Decimal(-1), Numeric)
_UNKNOWN_TIME = literal(datetime(1970, 1, 1, tzinfo=UTC), DateTime(timezone=True))
Rates = Mapping[str, Decimal]
_MAINTAINED: dict[TokenOrderField, ColumnElement[Any]] = {
    TokenOrderField.VOLUME: token_stats.c.volume_usd,
    TokenOrderField.TRADE_COUNT: token_stats.c.trade_count,
}
_NEWEST_FIRST = TokenOrder(field=TokenOrderField.CREATED_AT)


async def token_page(
    context: Context, page: PageArguments, chosen: TokenFilter | None, orders: Sequence[TokenOrder] | None
) -> Page[TokenRecord]:
    """A page of tokens, newest launch first unless told. A token without a value counts as the smallest."""
    loaders, orders = context.loaders, orders or [_NEWEST_FIRST]
    rates = await loaders.rates()
    keys, purpose = _keys(orders, rates), _purpose(orders)
    clause = token_clause(chosen, await loaders.head_time(), rates) if chosen else None
    part = part_of(page, lambda text: _open(context.cursors, purpose, text))
    found = await _ranked(context, orders, part, clause)
    if found is None:
        found = await loaders.read(read_token_page, keys, part, clause)
    for token in found.tokens:
        loaders.token.prime(token.mint, token)
    cursors = [_seal(context.cursors, purpose, values) for values in found.values]
    return to_page(found.tokens, cursors, page, lambda: loaders.read(count_tokens, clause, _COUNT_LIMIT))


async def _ranked(
    context: Context, orders: Sequence[TokenOrder], part: Slice, clause: ColumnElement[bool] | None
) -> TokenPage | None:
    """The largest by volume or count, straight from the index of the maintained figures: 100 of any number at once.

    None where another order is asked for, or where fewer tokens than the page wants have traded in the window.
    """
    column = _MAINTAINED.get(orders[0].field)
    if column is None or len(orders) > 1 or _is_descending(orders[0]) is part.from_end:
        return None
    window = (orders[0].window or StatsWindow.H24).seconds
    keys = [SortKey(each, _is_descending(orders[0])) for each in (column, token_stats.c.token_id)]
    source = token_stats.join(tokens, tokens.c.id == token_stats.c.token_id)
    in_window = token_stats.c.window == window
    condition = in_window if clause is None else and_(in_window, clause)
    found = await context.loaders.read(read_token_page, keys, part, condition, source)
    return found if len(found.tokens) == part.limit else None


def _keys(orders: Sequence[TokenOrder], rates: Rates) -> list[SortKey]:
    if len(orders) > _MAX_KEYS:
        raise InvalidInput(f"`orderBy` takes at most {_MAX_KEYS} keys.")
    keys = [SortKey(_expression(order, rates), _is_descending(order)) for order in orders]
    return [*keys, SortKey(tokens.c.id, keys[-1].is_descending)]


def _is_descending(order: TokenOrder) -> bool:
    return order.direction is not SortDirection.ASC


def _expression(order: TokenOrder, rates: Rates) -> ColumnElement[Any]:
    if order.field is TokenOrderField.CREATED_AT:
        return tokens.c.created_at
    if order.field is TokenOrderField.GRADUATED_AT:
        return func.coalesce(tokens.c.graduated_at, _UNKNOWN_TIME)
    if order.field is TokenOrderField.LAST_TRADE_AT:
        return func.coalesce(tokens.c.last_trade_at, _UNKNOWN_TIME)
    return func.coalesce(_number(order, rates), _UNKNOWN_NUMBER)


def _number(order: TokenOrder, rates: Rates) -> ColumnElement[Any]:
    window = (order.window or StatsWindow.H24).seconds
    measures: dict[TokenOrderField, Callable[[], ColumnElement[Any]]] = {
        TokenOrderField.MARKET_CAP: lambda: token_market_cap(rates),
        TokenOrderField.LIQUIDITY: lambda: token_liquidity(rates),
        TokenOrderField.PRICE: lambda: token_price_usd(rates),
        TokenOrderField.CURVE_PROGRESS: token_progress,
        **{field: partial(_maintained, column, window) for field, column in _MAINTAINED.items()},
    }
    return measures[order.field]()


def _maintained(column: ColumnElement[Any], window: int) -> ColumnElement[Any]:
    """A figure that the writer maintains to whole minutes: sorting by the trades themselves would read them all."""
    of_token = and_(token_stats.c.token_id == tokens.c.id, token_stats.c.window == window)
    return select(column).where(of_token).scalar_subquery()


def _purpose(orders: Sequence[TokenOrder]) -> str:
    """What a cursor is good for: the same keys, windows and directions."""
    keys = ",".join(
        f"{order.field.name}:{(order.window or StatsWindow.H24).name}:{'desc' if _is_descending(order) else 'asc'}"
        for order in orders
    )
    return f"tokens {keys}"


def _seal(cursors: Cursors, purpose: str, values: tuple[Any, ...]) -> str:
    texts = [value.isoformat() if isinstance(value, datetime) else str(value) for value in values]
    return cursors.seal(purpose, msgspec.msgpack.encode(texts))


def _open(cursors: Cursors, purpose: str, text: str) -> tuple[Any, ...]:
    texts = msgspec.msgpack.decode(cursors.unseal(purpose, text), type=list[str])
    *values, token_id = texts
    return (*(_value(value) for value in values), int(token_id))


def _value(text: str) -> datetime | Decimal:
    return datetime.fromisoformat(text) if "T" in text else Decimal(text)
