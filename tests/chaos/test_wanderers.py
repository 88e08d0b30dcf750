"""Proof that whoever judges wandering clients sees what they missed, got twice, out of order or should not have got."""

from random import Random

import pytest
from chaos.visits import over_websocket
from chaos.wanderers import Wanderer, Wish, judged


def wanderer(got: str, begins_after: str | None = None) -> Wanderer:
    wish = Wish("trades", "", {}, "true", lambda cursor: {"after": cursor}, begins_after)
    return Wanderer(wish, over_websocket, Random(1), ids=[*got])


@pytest.mark.parametrize("got", ["", "ac", "abbc", "acb", "abcd", "ab", "bc"])
def test_every_difference_from_the_feed_is_told(got: str) -> None:
    assert judged(wanderer(got), [*"abc"])


def test_a_client_that_began_after_a_record_is_judged_by_those_after_it() -> None:
    assert judged(wanderer("bc", begins_after="a"), [*"abc"]) == []
    assert judged(wanderer("c", begins_after="a"), [*"abc"])
    assert judged(wanderer("", begins_after="c"), [*"abc"]) == []


def test_a_client_that_was_refused_is_told_of() -> None:
    refused = wanderer("abc")
    refused.refusals.append("no")
    assert judged(refused, [*"abc"])
