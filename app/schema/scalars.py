"""Scalars of the SDL. Big numbers are strings on the wire, so that no client rounds them."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NewType

import strawberry
from graphql import FloatValueNode, IntValueNode, StringValueNode, ValueNode
from strawberry.types.scalar import ScalarDefinition

from app.errors import InvalidInput

_MAX_DIGITS = 80
"""No amount or price on chain is longer; more digits are refused before they cost anything."""
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+", re.IGNORECASE)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")

BigInt = NewType("BigInt", int)
BigDecimal = NewType("BigDecimal", Decimal)
DateTime = NewType("DateTime", datetime)
"""Resolvers may give a `datetime` or Unix seconds, as records hold them."""
URL = NewType("URL", str)


def _parse_integer(value: Any) -> int:
    return int(_checked("BigInt", value, _INTEGER, 'as "18446744073709551615"'))


def _parse_decimal(value: Any) -> Decimal:
    return Decimal(_checked("BigDecimal", value, _DECIMAL, 'as "0.000000028"'))


def _parse_time(value: Any) -> datetime:
    text = _checked("DateTime", value, _TIME, 'in RFC 3339, as "2026-01-31T23:59:59.000Z"')
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput("DateTime names no moment that exists: check month, day, hour and offset.") from error


def _checked(name: str, value: Any, grammar: re.Pattern[str], example: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise InvalidInput(f"{name} must be a string {example}.")
    if isinstance(value, int):
        # Never turn an unbounded integer into text: that is quadratic in its length.
        value = str(value) if value.bit_length() <= 256 else "9" * (_MAX_DIGITS + 1)
    if len(value) > _MAX_DIGITS:
        raise InvalidInput(f"{name} may have at most {_MAX_DIGITS} characters.")
    if grammar.fullmatch(value) is None:
        raise InvalidInput(f"{name} must be a string {example}.")
    return str(value)


def _parse_url(value: Any) -> str:
    return _checked("URL", value, _URL, 'as "https://example.com/a"')


def _literal(parse: Callable[[object], object]) -> Callable[..., object]:
    def parse_literal(node: ValueNode, _variables: object = None) -> object:
        return parse(_literal_text(node))

    return parse_literal


def _literal_text(node: ValueNode) -> object:
    """The text of a literal: numbers stay text, so that a long one is refused by its length."""
    if isinstance(node, StringValueNode | IntValueNode | FloatValueNode):
        return node.value
    return None


def format_time(value: datetime | int) -> str:
    """RFC 3339 in UTC with milliseconds."""
    return _format_seconds(value) if isinstance(value, int) else _format_moment(value.astimezone(UTC))


@lru_cache(maxsize=4_096)
def _format_seconds(seconds: int) -> str:
    """The records of a block, and each of them for every group of subscribers, have the same time."""
    return _format_moment(datetime.fromtimestamp(seconds, UTC))


def _format_moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def format_decimal(value: Decimal) -> str:
    """Plain digits without exponent and without trailing zeros, so that equal numbers are equal texts."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


SCALARS: dict[object, ScalarDefinition] = {
    BigInt: strawberry.scalar(
        name="BigInt",
        description="Integer of any size, as a decimal string: JSON number grammar without fraction or exponent.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259#section-6",
        serialize=str,
        parse_value=_parse_integer,
        parse_literal=_literal(_parse_integer),
    ),
    BigDecimal: strawberry.scalar(
        name="BigDecimal",
        description="Exact decimal number, as a string: JSON number grammar without exponent.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259#section-6",
        serialize=format_decimal,
        parse_value=_parse_decimal,
        parse_literal=_literal(_parse_decimal),
    ),
    DateTime: strawberry.scalar(
        name="DateTime",
        description="RFC 3339 date-time in UTC, with milliseconds.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time.html",
        serialize=format_time,
        parse_value=_parse_time,
        parse_literal=_literal(_parse_time),
    ),
    URL: strawberry.scalar(
        name="URL",
        description="Absolute URL.",
        specified_by_url="https://url.spec.whatwg.org/",
        serialize=str,
        parse_value=_parse_url,
        parse_literal=_literal(_parse_url),
    ),
}
