"""POST and GET on /graphql, by the GraphQL-over-HTTP specification."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from transport.serving import small_app

from app.settings import Settings

GRAPHQL = "application/graphql-response+json; charset=utf-8"
JSON = "application/json; charset=utf-8"
SETTINGS = Settings(max_body_bytes=10_000, max_tokens=500, query_timeout_seconds=0.2)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(small_app(SETTINGS))
    async with httpx.AsyncClient(transport=transport, base_url="http://curvecast") as client:
        yield client


def _only(response: httpx.Response) -> dict[str, Any]:
    """The one error of a response without data."""
    body = response.json()
    assert "data" not in body
    assert len(body["errors"]) == 1
    error: dict[str, Any] = body["errors"][0]
    return error


async def test_a_post_is_answered_in_the_media_type_of_the_specification(http: httpx.AsyncClient) -> None:
    response = await http.post("/graphql", json={"query": "{ hello }"})
    assert response.status_code == 200
    assert response.headers["content-type"] == GRAPHQL
    assert response.json() == {"data": {"hello": "hello you"}}


async def test_variables_and_operation_name_choose_what_runs(http: httpx.AsyncClient) -> None:
    query = "query A { hello } query B($n: String!) { hello(name: $n) }"
    for request in (
        http.post("/graphql", json={"query": query, "operationName": "B", "variables": {"n": "B"}}),
        http.get("/graphql", params={"query": query, "operationName": "B", "variables": '{"n": "B"}'}),
    ):
        assert (await request).json() == {"data": {"hello": "hello B"}}


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, GRAPHQL),
        ("*/*", GRAPHQL),
        ("application/*", GRAPHQL),
        ("application/json", JSON),
        ("application/json, application/graphql-response+json;q=0.5", JSON),
        ("application/graphql-response+json;q=0.5, application/json;q=0.4", GRAPHQL),
        ("application/graphql-response+json;q=0, */*", JSON),
        ("text/html, application/json;q=0.1", JSON),
        ("application/json; charset=utf-8", JSON),
    ],
)
async def test_accept_with_its_q_values_chooses_the_media_type(accept: str | None, expected: str) -> None:
    request = httpx.Request("POST", "http://curvecast/graphql", json={"query": "{ hello }"})
    if accept:
        request.headers["accept"] = accept
    transport = httpx.ASGITransport(small_app(SETTINGS))
    async with httpx.AsyncClient(transport=transport) as client:
        response = await client.send(request)
    assert (response.status_code, response.headers["content-type"]) == (200, expected)


@pytest.mark.parametrize("accept", ["text/html", "application/xml;q=0.9", "application/json; charset=latin-1"])
async def test_an_accept_that_cannot_be_met_is_406(http: httpx.AsyncClient, accept: str) -> None:
    response = await http.post("/graphql", json={"query": "{ hello }"}, headers={"accept": accept})
    assert response.status_code == 406


async def test_a_request_that_cannot_run_is_400_in_the_new_type_and_200_in_plain_json(http: httpx.AsyncClient) -> None:
    for query in ("{", "{ unknown }", "query($a: Int!) { hello(times: $a) }"):
        new = await http.post("/graphql", json={"query": query})
        plain = await http.post("/graphql", json={"query": query}, headers={"accept": "application/json"})
        assert (new.status_code, plain.status_code) == (400, 200)
        assert new.json() == plain.json()
        assert "data" not in new.json()


async def test_a_field_error_is_200_with_the_data_that_there_is(http: httpx.AsyncClient) -> None:
    response = await http.post("/graphql", json={"query": "{ hello wrong }"})
    assert response.status_code == 200
    assert response.json()["data"] == {"hello": "hello you", "wrong": None}
    assert response.json()["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}


async def test_an_unforeseen_error_tells_nothing_of_ours(http: httpx.AsyncClient) -> None:
    error = (await http.post("/graphql", json={"query": "{ broken }"})).json()["errors"][0]
    assert (error["message"], error["extensions"]) == ("Internal error.", {"code": "INTERNAL_SERVER_ERROR"})


@pytest.mark.parametrize(
    ("query", "code"),
    [("{", "GRAPHQL_PARSE_FAILED"), ("{ unknown }", "GRAPHQL_VALIDATION_FAILED"), ("{ hello(times: 2.5) }", None)],
)
async def test_each_refusal_has_its_code(http: httpx.AsyncClient, query: str, code: str | None) -> None:
    error = _only(await http.post("/graphql", json={"query": query}))
    assert error["extensions"]["code"] == (code or "GRAPHQL_VALIDATION_FAILED")


async def test_get_runs_queries_only(http: httpx.AsyncClient) -> None:
    response = await http.get("/graphql", params={"query": "subscription { count(to: 1) }"})
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


async def test_other_methods_are_405_and_name_the_right_ones(http: httpx.AsyncClient) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        response = await http.request(method, "/graphql")
        assert (response.status_code, response.headers["allow"]) == (405, "GET, POST")


async def test_a_subscription_over_post_says_where_to_go(http: httpx.AsyncClient) -> None:
    response = await http.post("/graphql", json={"query": "subscription { count(to: 1) }"})
    assert response.status_code == 400
    assert "graphql-transport-ws" in _only(response)["message"]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/json; charset=utf-16"]
)
async def test_a_body_that_does_not_say_it_is_json_is_415(http: httpx.AsyncClient, content_type: str) -> None:
    response = await http.post("/graphql", content='{"query": "{ hello }"}', headers={"content-type": content_type})
    assert response.status_code == 415


async def test_a_compressed_body_is_415_and_is_not_unpacked(http: httpx.AsyncClient) -> None:
    body = gzip.compress(b'{"query": "{ hello }"}')
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    response = await http.post("/graphql", content=body, headers=headers)
    assert (response.status_code, response.headers["accept-encoding"]) == (415, "identity")


NOT_REQUESTS = {
    "null": "null",
    "number": "1",
    "text": '"{ hello }"',
    "empty": "",
    "not JSON": "{query}",
    "invalid UTF-8": b'{"query": "\xff"}',
    "batch": '[{"query": "{ hello }"}]',
    "no query": "{}",
    "query that is null": '{"query": null}',
    "query that is a number": '{"query": 1}',
    "variables that are a list": '{"query": "{ hello }", "variables": []}',
    "variables that are text": '{"query": "{ hello }", "variables": "{}"}',
    "operationName that is a number": '{"query": "{ hello }", "operationName": 1}',
    "extensions that are a list": '{"query": "{ hello }", "extensions": []}',
    "deeply nested": "[" * 4_000,
    "variables nested 129 levels deep": '{"query": "{ hello }", "variables": {"a": ' + "[" * 127 + "]" * 127 + "}}",
    "deeply nested variables": '{"query": "{ hello }", "variables": {"a": ' + "[" * 4_000 + "]" * 4_000 + "}}",
    "a number of 9,000 digits": '{"query": "{ hello }", "variables": {"a": ' + "9" * 9_000 + "}}",
    "half a surrogate pair": '{"query": "\\ud800"}',
}


@pytest.mark.parametrize("body", NOT_REQUESTS.values(), ids=NOT_REQUESTS.keys())
@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
async def test_what_is_no_request_is_400_and_says_what_to_send(
    http: httpx.AsyncClient, body: str | bytes, accept: str
) -> None:
    headers = {"content-type": "application/json", "accept": accept}
    response = await http.post("/graphql", content=body, headers=headers)
    assert response.status_code == 400
    error = _only(response)
    assert error["extensions"]["code"] in ("BAD_USER_INPUT", "GRAPHQL_PARSE_FAILED")
    assert error["message"]


async def test_get_without_a_query_is_400(http: httpx.AsyncClient) -> None:
    assert (await http.get("/graphql")).status_code == 400
    assert (await http.get("/graphql", params={"query": "{ hello }", "variables": "["})).status_code == 400


@pytest.mark.parametrize("literal", ["9" * 9_000, "-" + "9" * 9_000, "1." + "9" * 9_000, "1e999999999"])
async def test_a_huge_number_in_the_document_is_refused(http: httpx.AsyncClient, literal: str) -> None:
    response = await http.post("/graphql", json={"query": f"{{ hello(times: {literal}) }}"})
    assert response.status_code == 400
    assert _only(response)["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_a_huge_number_for_a_variable_is_refused(http: httpx.AsyncClient) -> None:
    query = "query($n: Int) { hello(times: $n) }"
    for number in ("18446744073709551615", "1e300", "-9223372036854775808"):
        body = f'{{"query": "{query}", "variables": {{"n": {number}}}}}'
        response = await http.post("/graphql", content=body, headers={"content-type": "application/json"})
        assert response.status_code == 400


async def test_a_body_above_the_limit_is_413_and_names_the_limit(http: httpx.AsyncClient) -> None:
    response = await http.post("/graphql", json={"query": "{ hello }" + " " * 10_000})
    assert response.status_code == 413
    assert "10,000 bytes" in _only(response)["message"]


async def test_a_body_without_a_length_is_stopped_at_the_limit() -> None:
    taken = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal taken
        while True:
            taken += 1_000
            yield b" " * 1_000

    app = small_app(SETTINGS)
    source = endless()
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": await anext(source), "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/graphql",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    await app(scope, receive, send)
    assert sent[0]["status"] == 413
    assert taken <= 12_000


async def test_a_query_that_takes_too_long_is_ended_and_may_be_tried_again(http: httpx.AsyncClient) -> None:
    response = await http.post("/graphql", json={"query": "{ held }"})
    assert response.status_code == 503
    assert _only(response)["extensions"]["code"] == "SERVICE_UNAVAILABLE"


async def test_several_operations_without_a_name_are_refused(http: httpx.AsyncClient) -> None:
    for body in (
        {"query": "query A { hello } query B { hello }"},
        {"query": "query A { hello }", "operationName": "C"},
    ):
        assert (
            await http.post("/graphql", content=json.dumps(body), headers={"content-type": "application/json"})
        ).status_code == 400


async def test_an_empty_operation_name_in_the_address_is_none(http: httpx.AsyncClient) -> None:
    response = await http.get("/graphql", params={"query": "query A { hello }", "operationName": ""})
    assert response.json() == {"data": {"hello": "hello you"}}


async def test_a_body_that_is_not_utf_8_is_told_so_in_plain_words(http: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/json"}
    response = await http.post("/graphql", content=b'{"query": "\xff"}', headers=headers)
    assert _only(response)["message"] == "This is not JSON that can be read: it is not UTF-8."
