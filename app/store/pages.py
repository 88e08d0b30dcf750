"""Keyset paging: what stands before and after a key in a sort order, never by counting rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, false, or_, tuple_


@dataclass(frozen=True, slots=True)
class SortKey:
    """One column of an order. It must never be NULL: see `ordered`."""

    expression: ColumnElement[Any]
    is_descending: bool


@dataclass(frozen=True, slots=True)
class Slice:
    """Which part of a sorted list: at most `limit` rows strictly between two keys, from its start or from its end."""

    limit: int
    after: tuple[Any, ...] | None = None
    before: tuple[Any, ...] | None = None
    from_end: bool = False


def order_by(keys: Sequence[SortKey], from_end: bool) -> list[ColumnElement[Any]]:
    """ORDER BY of the list; turned round when it is read from its end."""
    return [key.expression.desc() if key.is_descending is not from_end else key.expression.asc() for key in keys]


def between(keys: Sequence[SortKey], part: Slice) -> list[ColumnElement[bool]]:
    """Conditions for the rows strictly after `part.after` and strictly before `part.before`."""
    conditions = []
    if part.after is not None:
        conditions.append(_beyond(keys, part.after, forward=True))
    if part.before is not None:
        conditions.append(_beyond(keys, part.before, forward=False))
    return conditions


def _beyond(keys: Sequence[SortKey], values: Sequence[Any], forward: bool) -> ColumnElement[bool]:
    downward = [key.is_descending is forward for key in keys]
    if len(set(downward)) == 1:
        # One row comparison: Postgres seeks with it in an index of the same columns.
        left, right = tuple_(*(key.expression for key in keys)), tuple_(*values)
        return left < right if downward[0] else left > right
    choices: list[ColumnElement[bool]] = []
    for place, key in enumerate(keys):
        same = [other.expression == value for other, value in zip(keys[:place], values[:place], strict=True)]
        past = key.expression < values[place] if downward[place] else key.expression > values[place]
        choices.append(and_(*same, past))
    return or_(false(), *choices)
