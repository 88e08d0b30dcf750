"""A subscription is opened by what its root resolver returns, or refused as the client is to see it."""

from typing import Any

import pytest
from execution.shapes import CORE, Context, Thing

from app.execution.operations import Operations, RequestRefused
from app.execution.requests import GraphQLRequest
from app.settings import Settings


@pytest.fixture
async def context() -> Context:
    return Context()


@pytest.fixture
def operations(context: Context) -> Operations:
    return Operations(CORE, Settings(), lambda: context)


def _request(query: str, **variables: Any) -> GraphQLRequest:
    return GraphQLRequest(query, variables, None)


async def test_whatever_the_resolver_returns_is_handed_on(operations: Operations, context: Context) -> None:
    asked = operations.prepare(
        _request("subscription ($from: Int) { n: numbers(start: $from) { number } }", **{"from": 7})
    )

    assert await operations.open(asked) == {"start": 7, "context": context}


async def test_an_argument_that_is_not_given_has_its_default(operations: Operations) -> None:
    opened = await operations.open(operations.prepare(_request("subscription { ... { numbers { number } } }")))

    assert opened["start"] == 3


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("refused", "BAD_USER_INPUT", "Not from here."),
        ("failed", "INTERNAL_SERVER_ERROR", "Internal error."),
    ],
)
async def test_an_error_refuses_it_where_it_stands_and_tells_no_secret(
    operations: Operations, name: str, code: str, message: str
) -> None:
    with pytest.raises(RequestRefused) as refused:
        await operations.open(operations.prepare(_request(f"subscription {{ first: {name} }}")))

    assert refused.value.response == {
        "errors": [
            {
                "message": message,
                "locations": [{"line": 1, "column": 16}],
                "path": ["first"],
                "extensions": {"code": code},
            }
        ]
    }


async def test_a_wrong_variable_refuses_it(operations: Operations) -> None:
    asked = operations.prepare(_request("subscription ($start: Int!) { numbers(start: $start) { number } }", start="x"))
    with pytest.raises(RequestRefused) as refused:
        await operations.open(asked)

    assert [error["extensions"]["code"] for error in refused.value.response["errors"]] == ["BAD_USER_INPUT"]


async def test_each_event_is_the_root_value_of_its_response(operations: Operations) -> None:
    respond = operations.responder(operations.prepare(_request("subscription { n: numbers { number } }")))

    assert [respond(Thing(number=n), Context()) for n in (1, 2)] == [
        b'{"data":{"n":{"number":1}}}',
        b'{"data":{"n":{"number":2}}}',
    ]
