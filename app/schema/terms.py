"""What the leaves of a filter say, checked: one reading for SQL (`filters`) and for live records (`conditions`)."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from app.errors import InvalidInput
from app.schema.arguments import check_address
from app.schema.inputs import DateTimeFilter, FloatFilter, StringFilter, TokenFilter, TradeFilter

_MAX_VALUES: Final = 500
_MAX_BRANCHES: Final = 100
"""Filters in a filter: more cost more than a page is worth."""
_MAX_DEPTH: Final = 10
Comparison = tuple[Callable[[Any, Any], Any], Decimal]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Of a text that is an address: `equals` it, is one of `included`, is none of `excluded`. None: not asked."""

    equals: str | None
    included: list[str] | None
    excluded: list[str] | None
    """An unknown address is none of them."""


@dataclass(frozen=True, slots=True)
class Times:
    """A time from `first` on, before `end`, at most `within` seconds before now. None: not asked."""

    first: datetime | None
    end: datetime | None
    within: int | None


def check_size(chosen: TokenFilter | TradeFilter | None) -> None:
    """Raises InvalidInput where the filter is too large. Level by level, so that no depth can exhaust the stack."""
    level, count = [chosen] if chosen else [], 0
    for _ in range(_MAX_DEPTH):
        count += len(level)
        if count > _MAX_BRANCHES:
            raise InvalidInput(f"A filter has at most {_MAX_BRANCHES} parts; use `in` for many values.")
        level = [each for part in level for each in _parts(part)]
    if level:
        raise InvalidInput(f"`and`, `or` and `not` may be nested {_MAX_DEPTH} deep at most.")


def addresses(chosen: StringFilter | None, name: str) -> Addresses | None:
    """Raises InvalidInput for what cannot be an address, naming the argument, and for too many of them."""
    if not chosen:
        return None
    equals = check_address(chosen.eq, name) if isinstance(chosen.eq, str) else None
    return Addresses(equals, _values(chosen.in_, name), _values(chosen.not_in, name) or None)


def comparisons(chosen: FloatFilter | None) -> list[Comparison]:
    """All of which hold of a number; an unknown one fulfils none."""
    if not chosen:
        return []
    asked = (
        (operator.eq, chosen.eq),
        (operator.gt, chosen.gt),
        (operator.ge, chosen.gte),
        (operator.lt, chosen.lt),
        (operator.le, chosen.lte),
    )
    # The shortest decimal of a float is what its writer meant: 0.1 is compared as 0.1.
    return [(compare, Decimal(repr(float(value)))) for compare, value in asked if isinstance(value, int | float)]


def times(chosen: DateTimeFilter | None) -> Times | None:
    """Raises InvalidInput for a negative age."""
    if not chosen:
        return None
    within = chosen.within_seconds if isinstance(chosen.within_seconds, int) else None
    if within is not None and within < 0:
        raise InvalidInput("`withinSeconds` must not be negative.")
    return Times(chosen.gte or None, chosen.lt or None, within)


def _parts(chosen: TokenFilter | TradeFilter) -> list[TokenFilter | TradeFilter]:
    token = chosen.token if isinstance(chosen, TradeFilter) else None
    return [each for each in (*(chosen.and_ or ()), *(chosen.or_ or ()), chosen.not_, token) if each]


def _values(values: list[str] | None, name: str) -> list[str] | None:
    if not isinstance(values, list):
        return None
    if len(values) > _MAX_VALUES:
        raise InvalidInput(f"`in` and `notIn` take at most {_MAX_VALUES} values; ask several times.")
    return [check_address(value, name) for value in values]
