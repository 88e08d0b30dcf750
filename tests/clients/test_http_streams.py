"""JavaScript clients of subscriptions over HTTP as their users use them, on a market whose server is restarted."""

from collections.abc import AsyncIterator

import pytest
from clients.standing import MINT, missed
from clients.visiting import Visits, visited

CLIENTS = ("graphql-sse", "eventsource", "apollo-multipart")
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
async def visits() -> AsyncIterator[Visits]:
    async with visited(CLIENTS) as visits:
        yield visits


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_gets_every_trade_once_and_in_order_across_the_restart(visits: Visits, name: str) -> None:
    program = visits.of[name]
    assert missed(program.ids("trades"), visits.trades) == ""
    assert missed(program.ids("tradeStream"), visits.buys) == ""
    assert program.all("error") == []


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_has_its_queries_answered_before_and_after_it_subscribes(visits: Visits, name: str) -> None:
    answers = [each["data"]["token"]["mintAddress"] for each in visits.of[name].all("answer")]
    assert answers == [MINT, MINT]


async def test_apollo_is_told_of_a_restart_as_an_error_after_which_trying_again_is_right(visits: Visits) -> None:
    ended = [each for each in visits.of["apollo-multipart"].all("ended") if each["name"] == "CombinedProtocolErrors"]
    assert [each["errors"][0]["extensions"] for each in ended] == [{"code": "SERVICE_UNAVAILABLE"}] * 2


async def test_the_server_keeps_nothing_of_clients_that_have_left(visits: Visits) -> None:
    assert visits.left_over == 0
