"""What goes on the bus comes off it equal, to the last digit."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bus import codec
from app.domain.records import Batch

_WIDE = {"sqrt_price": st.integers(0, 2**128 - 1), "base_amount": st.integers(0, 2**64 - 1)}
_LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    bytes: st.binary(max_size=20),
    datetime: st.datetimes(timezones=st.just(UTC)).map(lambda time: time.replace(fold=0)),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    float: st.floats(allow_nan=False),
    int: st.integers(-(2**63), 2**63 - 1),
    str: st.text(max_size=10),
    type(None): st.none(),
}


def _values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type."""
    if hint in _LEAVES:
        return _LEAVES[hint]
    if isinstance(hint, UnionType):
        return st.one_of([_values(each) for each in get_args(hint)])
    if get_origin(hint) is tuple:
        return st.lists(_values(get_args(hint)[0]), max_size=2).map(tuple)
    if issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    return _structs(hint)


def _structs(kind: type) -> st.SearchStrategy[Any]:
    fields = {name: _values(hint) for name, hint in get_type_hints(kind).items()}
    return st.builds(kind, **{name: _WIDE.get(name, values) for name, values in fields.items()})


@settings(max_examples=50, deadline=None)
@given(_structs(Batch))
def test_a_batch_comes_off_the_bus_equal_in_every_field_and_type(batch: Batch) -> None:
    returned = codec.decode(codec.encode(batch))
    assert returned == batch
    assert repr(returned) == repr(batch)  # equality alone does not tell 1.0 from 1.00, nor an enum from its integer


def test_bytes_of_another_kind_are_refused_and_not_guessed() -> None:
    with pytest.raises(msgspec.DecodeError):
        codec.decode(msgspec.msgpack.encode({"trades": []}))
