"""graphql-transport-ws by its PROTOCOL document, over real sockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from transport.serving import SECONDS, Client, Gate, client, served, small_app

from app.settings import Settings

SETTINGS = Settings(max_operations_per_socket=3, max_tokens=500, connection_init_timeout_seconds=5.0)


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def host(gate: Gate) -> AsyncIterator[str]:
    async with served(small_app(SETTINGS, gate), SETTINGS) as host:
        yield host


@pytest.fixture
async def socket(host: str) -> AsyncIterator[Client]:
    """A socket that is acknowledged."""
    async with client(host) as socket:
        await socket.init()
        yield socket


async def test_a_subscription_is_next_and_next_and_complete(socket: Client) -> None:
    await socket.subscribe("a", "subscription { count(to: 2) }")
    first = {"data": {"count": 1}, "extensions": {"cursor": "after-1"}}
    second = {"data": {"count": 2}, "extensions": {"cursor": "after-2"}}
    assert await socket.receive() == {"type": "next", "id": "a", "payload": first}
    assert await socket.receive() == {"type": "next", "id": "a", "payload": second}
    assert await socket.receive() == {"type": "complete", "id": "a"}


async def test_a_query_is_one_next_and_complete(socket: Client) -> None:
    await socket.subscribe("q", "query($n: String!) { hello(name: $n) }", n="ws")
    assert await socket.receive() == {"type": "next", "id": "q", "payload": {"data": {"hello": "hello ws"}}}
    assert await socket.receive() == {"type": "complete", "id": "q"}


async def test_a_field_error_of_a_query_comes_in_next(socket: Client) -> None:
    await socket.subscribe("q", "{ hello wrong }")
    message = await socket.receive()
    assert message["type"] == "next"
    assert message["payload"]["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert (await socket.receive())["type"] == "complete"


@pytest.mark.parametrize(
    "query", ["{", "{ unknown }", "subscription { count(to: x) }", "query A { hello } query B { hello }"]
)
async def test_an_operation_that_cannot_run_ends_with_error_and_nothing_after(socket: Client, query: str) -> None:
    await socket.subscribe("bad", query)
    message = await socket.receive()
    assert (message["type"], message["id"]) == ("error", "bad")
    assert message["payload"][0]["extensions"]["code"].startswith(("GRAPHQL_", "BAD_"))
    await socket.send({"type": "ping"})
    assert await socket.receive() == {"type": "pong"}


async def test_an_error_of_one_operation_leaves_its_siblings_alone(socket: Client, gate: Gate) -> None:
    await socket.subscribe("good", "subscription { held }")
    assert (await socket.receive())["id"] == "good"
    for query in ("{", "{ unknown }", "subscription { lagged }", "{ broken }"):
        await socket.subscribe("bad", query)
        while (await socket.receive())["type"] == "next":
            pass
    gate.opened.set()
    assert await socket.receive() == {"type": "complete", "id": "good"}


async def test_a_lagging_subscription_ends_with_the_cursor_to_resume_from(socket: Client) -> None:
    await socket.subscribe("slow", "subscription { lagged }")
    assert (await socket.receive())["type"] == "next"
    message = await socket.receive()
    assert message["type"] == "error"
    assert message["payload"][0]["extensions"] == {"code": "LAGGED", "cursor": "after-1"}


async def test_complete_of_the_client_ends_the_operation_and_frees_its_id(socket: Client, gate: Gate) -> None:
    await socket.subscribe("a", "subscription { held }")
    await socket.receive()
    await socket.send({"type": "complete", "id": "a"})
    async with asyncio.timeout(SECONDS):
        await gate.left.wait()
    await socket.subscribe("a", "{ hello }")
    assert (await socket.receive())["payload"] == {"data": {"hello": "hello you"}}


async def test_complete_for_an_unknown_id_is_ignored(socket: Client) -> None:
    await socket.send({"type": "complete", "id": "nobody"})
    await socket.send({"type": "ping"})
    assert await socket.receive() == {"type": "pong"}


async def test_operations_end_when_the_socket_does(host: str, gate: Gate) -> None:
    async with client(host) as socket:
        await socket.init()
        await socket.subscribe("a", "subscription { held }")
        await socket.receive()
    async with asyncio.timeout(SECONDS):
        await gate.left.wait()


async def test_ping_is_answered_before_and_after_the_acknowledgement(host: str) -> None:
    async with client(host) as socket:
        await socket.send({"type": "ping", "payload": {"a": 1}})
        assert await socket.receive() == {"type": "pong", "payload": {"a": 1}}
        await socket.send({"type": "pong", "payload": None})
        await socket.init()
        await socket.send({"type": "ping"})
        assert await socket.receive() == {"type": "pong"}


async def test_connection_init_may_carry_a_payload(host: str) -> None:
    for payload in ({}, {"token": "x"}, None):
        async with client(host) as socket:
            await socket.send({"type": "connection_init", "payload": payload})
            assert await socket.receive() == {"type": "connection_ack"}


async def test_without_connection_init_in_time_the_socket_is_closed() -> None:
    settings = replace(SETTINGS, connection_init_timeout_seconds=0.05)
    async with served(small_app(settings), settings) as host, client(host) as socket:
        await socket.send({"type": "ping"})  # talking is not initialising
        assert await socket.closed() == (4408, "Connection initialisation timeout")


async def test_subscribe_before_the_acknowledgement_is_unauthorized(host: str) -> None:
    async with client(host) as socket:
        await socket.subscribe("a", "{ hello }")
        assert await socket.closed() == (4401, "Unauthorized")


async def test_a_second_connection_init_is_too_many(socket: Client) -> None:
    await socket.send({"type": "connection_init"})
    assert await socket.closed() == (4429, "Too many initialisation requests")


async def test_an_id_in_use_closes_the_socket(socket: Client) -> None:
    await socket.subscribe("a", "subscription { held }")
    await socket.subscribe("a", "{ hello }")
    assert await socket.closed() == (4409, "Subscriber for a already exists")


BAD_MESSAGES = {
    "not JSON": "{",
    "null": "null",
    "number": "1",
    "text": '"ping"',
    "list": "[]",
    "no type": "{}",
    "unknown type": '{"type": "start"}',
    "type that is no string": '{"type": ["ping"]}',
    "type of the server": '{"type": "next", "id": "a", "payload": {}}',
    "deeply nested": "[" * 30_000,
    "a number of 10,000 digits": '{"type": "ping", "payload": {"a": ' + "9" * 10_000 + "}}",
    "ping with a text": '{"type": "ping", "payload": "x"}',
    "pong with a list": '{"type": "pong", "payload": []}',
    "complete without id": '{"type": "complete"}',
    "subscribe without id": '{"type": "subscribe", "payload": {"query": "{ hello }"}}',
    "empty id": '{"type": "subscribe", "id": "", "payload": {"query": "{ hello }"}}',
    "numeric id": '{"type": "subscribe", "id": 1, "payload": {"query": "{ hello }"}}',
    "id that cannot be a key": '{"type": "subscribe", "id": {}, "payload": {"query": "{ hello }"}}',
    "subscribe without payload": '{"type": "subscribe", "id": "a"}',
    "payload null": '{"type": "subscribe", "id": "a", "payload": null}',
    "payload without query": '{"type": "subscribe", "id": "a", "payload": {}}',
    "query null": '{"type": "subscribe", "id": "a", "payload": {"query": null}}',
    "variables list": '{"type": "subscribe", "id": "a", "payload": {"query": "{ hello }", "variables": []}}',
    "operationName number": '{"type": "subscribe", "id": "a", "payload": {"query": "{ hello }", "operationName": 1}}',
    "extensions text": '{"type": "subscribe", "id": "a", "payload": {"query": "{ hello }", "extensions": ""}}',
}


@pytest.mark.parametrize("frame", BAD_MESSAGES.values(), ids=BAD_MESSAGES.keys())
async def test_a_message_that_is_none_closes_with_4400_and_a_reason(socket: Client, frame: str) -> None:
    await socket.send(frame)
    code, reason = await socket.closed()
    assert code == 4400
    assert reason is not None
    assert reason.startswith("Invalid message: ")
    assert len(reason.encode()) <= 123


@pytest.mark.parametrize("value", ["9" * 10_000, "[" * 200 + "]" * 200], ids=["10,000 digits", "200 levels"])
async def test_variables_that_cannot_be_read_cost_their_operation_and_not_the_socket(
    socket: Client, gate: Gate, value: str
) -> None:
    await socket.subscribe("good", "subscription { held }")
    assert (await socket.receive())["id"] == "good"
    payload = '{"query": "{ hello }", "variables": {"n": ' + value + "}}"
    await socket.send('{"id": "a", "type": "subscribe", "payload": ' + payload + "}")
    message = await socket.receive()
    assert (message["type"], message["id"]) == ("error", "a")
    assert message["payload"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    await socket.subscribe("a", "{ hello }")
    assert (await socket.receive())["payload"] == {"data": {"hello": "hello you"}}


async def test_a_binary_frame_closes_with_4400(socket: Client) -> None:
    await socket.send(b'{"type": "ping"}')
    assert (await socket.closed())[0] == 4400


async def test_a_text_frame_that_is_not_utf8_closes_as_rfc_6455_says(socket: Client) -> None:
    await socket.socket.send(b'{"type": "\xff"}', text=True)
    assert (await socket.closed())[0] == 1007


async def test_a_frame_above_the_limit_closes_with_1009(socket: Client) -> None:
    await socket.send({"type": "ping", "payload": {"a": "x" * SETTINGS.max_frame_bytes}})
    assert (await socket.closed())[0] == 1009


@pytest.mark.parametrize("offered", [None, ["graphql-ws"], ["something"]])
async def test_another_subprotocol_is_refused(host: str, offered: list[str] | None) -> None:
    async with client(host, subprotocols=offered) as socket:
        code, reason = await socket.closed()
        assert code == 4406
        assert reason is not None
        assert "graphql-transport-ws" in reason


async def test_the_operation_above_the_limit_is_told_and_the_others_go_on(socket: Client, gate: Gate) -> None:
    for name in "abc":
        await socket.subscribe(name, "subscription { held }")
        assert (await socket.receive())["type"] == "next"
    await socket.subscribe("d", "{ hello }")
    message = await socket.receive()
    assert (message["type"], message["id"]) == ("error", "d")
    assert message["payload"][0]["extensions"]["code"] == "SUBSCRIPTION_LIMIT"
    gate.opened.set()
    assert {(await socket.receive())["id"] for _ in "abc"} == {"a", "b", "c"}


async def test_the_socket_above_the_limit_is_told_to_try_later() -> None:
    settings = replace(SETTINGS, max_sockets=1)
    async with served(small_app(settings), settings) as host, client(host) as first:
        await first.init()
        async with client(host) as second:
            assert (await second.closed())[0] == 1013
        await first.send({"type": "ping"})
        assert await first.receive() == {"type": "pong"}


async def test_a_client_that_does_not_read_is_let_go_and_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch, host: str, gate: Gate
) -> None:
    monkeypatch.setattr("app.transport.wire._FULL_SECONDS", 0.2)
    async with client(host, max_queue=1) as deaf, client(host) as other:
        await deaf.init()
        await other.init()
        await deaf.subscribe("a", "subscription { flood }")
        await other.subscribe("b", "subscription { count(to: 1) }")
        assert (await other.receive())["type"] == "next"
        async with asyncio.timeout(SECONDS):
            await gate.left.wait()
        assert (await deaf.closed())[0] == 1013


async def test_frames_of_the_server_are_compact_json_with_nothing_but_the_protocol(socket: Client) -> None:
    await socket.subscribe("a", "{ hello }")
    frame = await socket.socket.recv()
    assert json.loads(frame) == {"type": "next", "id": "a", "payload": {"data": {"hello": "hello you"}}}
    assert b" " not in str(frame).replace("hello you", "").encode()
