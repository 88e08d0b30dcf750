"""A client that others wrote: the Python library gql, as its users would use it."""

from collections.abc import AsyncIterator

import pytest
from gql import Client, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from transport.serving import served, small_app

from app.settings import Settings

SETTINGS = Settings()


@pytest.fixture
async def gql_client() -> AsyncIterator[Client]:
    async with served(small_app(SETTINGS), SETTINGS) as host:
        yield Client(
            transport=WebsocketsTransport(
                url=f"ws://{host}/graphql", ping_interval=0.01, answer_pings=True, close_timeout=1
            )
        )


async def test_gql_subscribes_asks_and_pings_on_one_socket(gql_client: Client) -> None:
    async with gql_client as session:
        counted = [each async for each in session.subscribe(gql("subscription { count(to: 3) }"))]
        answer = await session.execute(gql("{ hello }"))
    assert counted == [{"count": 1}, {"count": 2}, {"count": 3}]
    assert answer == {"hello": "hello you"}


async def test_gql_is_told_why_an_operation_is_refused_and_goes_on(gql_client: Client) -> None:
    async with gql_client as session:
        with pytest.raises(TransportQueryError, match="unknown"):
            await session.execute(gql("{ unknown }"))
        assert await session.execute(gql("{ hello }")) == {"hello": "hello you"}


async def test_gql_may_leave_a_subscription_that_has_not_ended(gql_client: Client) -> None:
    async with gql_client as session:
        async for each in session.subscribe(gql("subscription { held }")):
            assert each == {"held": 1}
            break
        assert await session.execute(gql("{ hello }")) == {"hello": "hello you"}
