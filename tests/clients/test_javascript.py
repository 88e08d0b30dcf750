"""JavaScript clients over WebSocket as their users use them, on a market whose server is restarted under them."""

from base64 import b64encode
from collections.abc import AsyncIterator

import pytest
from clients.standing import MINT, missed
from clients.visiting import SUBSCRIPTIONS, Visits, visited

CLIENTS = ("graphql-ws", "urql", "apollo", "relay")
pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
async def visits() -> AsyncIterator[Visits]:
    async with visited(CLIENTS) as visits:
        yield visits


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_has_its_queries_answered_before_and_after_it_subscribes(visits: Visits, name: str) -> None:
    token = {"id": b64encode(f"Token:{MINT}".encode()).decode(), "mintAddress": MINT}
    answers = [each["data"]["token"] for each in visits.of[name].all("answer")]
    assert len(answers) == 2
    assert [answer | token for answer in answers] == answers
    assert visits.of[name].all("error") == []


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_is_told_of_a_restart_and_comes_again_by_itself(visits: Visits, name: str) -> None:
    told = [(each["code"], each["reason"]) for each in visits.of[name].all("closed")]
    assert (1012, "Service restart") in told
    assert len(visits.of[name].all("connected")) >= 2


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_gets_every_trade_once_and_in_order_across_the_restart(visits: Visits, name: str) -> None:
    assert missed(visits.of[name].ids("trades"), visits.trades) == ""


@pytest.mark.parametrize("name", CLIENTS)
async def test_a_client_gets_a_filtered_stream_whole_first_replayed_and_then_live(visits: Visits, name: str) -> None:
    program = visits.of[name]
    assert missed(program.ids("tradeStream"), visits.buys) == ""
    phases = [each["phase"] for each in program.all("tradeStream")]
    assert "BACKFILL" in phases
    assert phases[-1] == "LIVE"


@pytest.mark.parametrize("name", CLIENTS)
async def test_nothing_comes_to_a_client_that_has_left(visits: Visits, name: str) -> None:
    events = [each["event"] for each in visits.of[name].said]
    after = events[events.index("left") :]
    assert "answer" in after
    assert not {*SUBSCRIPTIONS} & {*after}


async def test_the_server_keeps_nothing_of_clients_that_have_left(visits: Visits) -> None:
    assert visits.left_over == 0
