"""Scalars: exact on the way out, strict and cheap on the way in."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from graphql import GraphQLScalarType
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.schema import core_schema
from app.schema.scalars import SCALARS, BigDecimal, BigInt, format_decimal, format_time

_INTEGER, _DECIMAL = SCALARS[BigInt], SCALARS[BigDecimal]


def _time() -> GraphQLScalarType:
    found = core_schema.type_map["DateTime"]
    assert isinstance(found, GraphQLScalarType)
    return found


def _parse(definition: Any, value: object) -> object:
    return definition.parse_value(value)


@given(st.integers(min_value=-(2**128), max_value=2**128))
def test_every_big_integer_comes_back(number: int) -> None:
    assert _parse(_INTEGER, str(number)) == number


@given(st.decimals(allow_nan=False, allow_infinity=False, places=30, min_value=-(10**20), max_value=10**20))
def test_every_big_decimal_comes_back_without_an_exponent(number: Decimal) -> None:
    text = format_decimal(number)

    assert "E" not in text.upper()
    assert _parse(_DECIMAL, text) == number


def test_equal_decimals_are_equal_texts() -> None:
    assert format_decimal(Decimal("1.500")) == format_decimal(Decimal("1.5")) == "1.5"
    assert format_decimal(Decimal("2.8E-8")) == "0.000000028"
    assert format_decimal(Decimal("1E+3")) == "1000"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1.0",
        "1e3",
        "0x10",
        "01",
        "+1",
        " 1",
        "１",
        "9" * 81,
        pytest.param(10**10_000, id="ten thousand digits"),
        True,
        None,
        1.5,
        [],
    ],
)
def test_what_is_no_integer_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        _parse(_INTEGER, value)


@pytest.mark.parametrize("value", ["", ".5", "1.", "1e3", "NaN", "Infinity", "0." + "1" * 90, True])
def test_what_is_no_decimal_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        _parse(_DECIMAL, value)


def test_a_time_is_utc_with_milliseconds() -> None:
    assert format_time(0) == "1970-01-01T00:00:00.000Z"
    assert format_time(datetime(2026, 1, 31, 23, 59, 59, 999_999, UTC)) == "2026-01-31T23:59:59.999Z"


def test_a_time_with_an_offset_is_read_as_utc() -> None:
    parsed = _parse(_time(), "2026-01-31t23:30:00.5+01:00")

    assert parsed == datetime(2026, 1, 31, 22, 30, 0, 500_000, UTC)


@pytest.mark.parametrize(
    "value", ["", "2026-01-31", "2026-01-31T23:59:59", "2026-02-30T00:00:00Z", "2026-01-31 00:00:00Z", 5, None]
)
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(InvalidInput):
        _parse(_time(), value)
