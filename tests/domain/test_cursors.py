"""Cursors are taken back only by the store, list and order that gave them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.cursors import Cursor, Cursors
from app.errors import CursorInvalid

_INT64 = st.integers(min_value=0, max_value=2**63 - 1)
_CURSORS = Cursors("one store")


@given(sequence=_INT64, block_time=_INT64, position=_INT64, identity=st.binary(min_size=16, max_size=16))
def test_a_cursor_comes_back_as_it_was_given(sequence: int, block_time: int, position: int, identity: bytes) -> None:
    text = _CURSORS.encode(sequence, block_time, position, identity)

    assert _CURSORS.decode(text) == Cursor(sequence, block_time, position, identity)


@given(st.text(max_size=100))
def test_text_that_no_store_gave_is_refused(text: str) -> None:
    with pytest.raises(CursorInvalid):
        _CURSORS.decode(text)


@given(place=st.integers(min_value=0, max_value=63), character=st.sampled_from("Aaz09-_"))
def test_a_cursor_with_one_changed_character_is_refused(place: int, character: str) -> None:
    text = _CURSORS.encode(7, 1_700_000_000, 12, bytes(range(16)))
    forged = text[:place] + character + text[place + 1 :]
    if forged == text:
        return

    with pytest.raises(CursorInvalid):
        _CURSORS.decode(forged)


def test_a_cursor_of_another_store_is_refused_and_says_what_to_do() -> None:
    text = Cursors("another store").encode(7, 1_700_000_000, 12, bytes(16))

    with pytest.raises(CursorInvalid, match="leave the cursor out"):
        _CURSORS.decode(text)


def test_a_cursor_of_another_order_is_refused() -> None:
    text = _CURSORS.seal("tokens by volume", b"key")

    with pytest.raises(CursorInvalid):
        _CURSORS.unseal("tokens by price", text)
