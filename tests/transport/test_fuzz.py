"""Whatever a client sends, the answer is a refusal that names a code of the list, never an error of ours."""

from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from transport.serving import schema

from app.errors import InvalidInput
from app.execution.operations import Operations, RequestRefused
from app.execution.requests import GraphQLRequest, read_json, read_parameters, read_request
from app.settings import Settings
from app.transport.messages import read

OPERATIONS = Operations(schema._schema, Settings(), object)
REFUSALS = {"BAD_USER_INPUT", "COST_EXCEEDED", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED"}
PIECES = [*"{}()[]!:=@$&|", "...", '"', '"""', "\\", "#", "query", "mutation", "subscription", "fragment", "on"]
PIECES += [
    "item",
    "items",
    "hello",
    "count",
    "held",
    "name",
    "first",
    "times",
    "a",
    "f",
    "Item",
    "Query",
    "null",
    "true",
]
PIECES += ["-1", "1.5", "1e9", '"x"', "$n", "@include(if: $n)", "@skip(if: true)", "{ hello }", "($n: Int)", "...f"]
_json: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["n", "query", "id"]), inner, max_size=3)
    ),
)
_members = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["ping", "pong", "subscribe", "complete", "connection_init"]) | _json,
        "id": _json,
        "payload": _json,
        "query": _json,
        "variables": _json,
        "operationName": _json,
        "extensions": _json,
    },
)


def _refusal(query: str, variables: dict[str, Any], name: str | None = None) -> set[str]:
    """Codes of the refusal; none when it may run."""
    try:
        OPERATIONS.prepare(GraphQLRequest(query, variables, name))
    except RequestRefused as refused:
        return {error["extensions"]["code"] for error in refused.response["errors"]}
    return set()


def _reason(read: Callable[[Any], object], value: object) -> str:
    """Why `value` is refused; a word when it is taken. Anything but InvalidInput fails the test."""
    try:
        read(value)
    except InvalidInput as error:
        return str(error)
    return "taken"


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=40).map(" ".join), st.dictionaries(st.just("n"), _json))
def test_any_document_is_run_or_refused(query: str, variables: dict[str, Any]) -> None:
    assert _refusal(query, variables) <= REFUSALS


@settings(deadline=None, max_examples=100)
@given(st.text(), _json)
def test_any_text_is_run_or_refused(query: str, value: object) -> None:
    assert _refusal(query, {"n": value}, query) <= REFUSALS


@settings(deadline=None, max_examples=200)
@given(_members | _json)
def test_any_json_is_a_request_or_is_refused(value: object) -> None:
    assert _reason(read_request, value)
    assert _reason(read_parameters, {"query": "{", "variables": str(value)})


@settings(deadline=None, max_examples=200)
@given(st.text() | _members.map(str) | st.binary())
def test_any_bytes_are_json_or_are_refused(frame: str | bytes) -> None:
    assert _reason(read_json, frame)


@settings(deadline=None, max_examples=300)
@given(_members.map(lambda value: msgspec.json.encode(value).decode()) | st.text())
def test_any_frame_is_a_message_or_is_refused(frame: str) -> None:
    assert _reason(read, frame)
