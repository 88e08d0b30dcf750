"""One visit of a client that may leave at any moment: what was answered and the cursor after it, over both roads."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx
from transport.serving import client

_GONE = 20.0
"""Seconds without a byte; heartbeats come more often."""


class Ended(Exception):
    """The server ended the subscription; `errors` are what it said of it."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(json.dumps(errors))
        self.errors = errors


class Got(NamedTuple):
    """A response, and the resume point that came with it."""

    data: Mapping[str, Any]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Request:
    """What is subscribed."""

    query: str
    variables: Mapping[str, object]


async def over_websocket(host: str, request: Request, cursor: str | None) -> AsyncGenerator[Got, None]:
    """Resumed by the variables, which hold the cursor already."""
    async with client(host, ping_interval=None) as socket:
        try:
            await socket.init()
            await socket.subscribe("s", request.query, **request.variables)
            async for text in socket.socket:
                message = json.loads(text)
                if message["type"] == "error":
                    raise Ended(message["payload"])
                if message["type"] == "next":
                    yield _got(message["payload"], None)
        finally:
            # Whoever closes a lid says no goodbye.
            socket.socket.transport.abort()


async def over_events(host: str, request: Request, cursor: str | None) -> AsyncGenerator[Got, None]:
    """Server-sent events, resumed as browsers do: by the last `id`, and without a word in the variables."""
    headers = {"accept": "text/event-stream"} | ({"last-event-id": cursor} if cursor else {})
    body = {"query": request.query, "variables": request.variables}
    async with (
        httpx.AsyncClient(timeout=_GONE) as http,
        http.stream("POST", f"http://{host}/graphql", json=body, headers=headers) as response,
    ):
        if response.status_code != 200:
            raise OSError(f"status {response.status_code}")
        async with aclosing(_events(response)) as events:
            async for event in events:
                if event.get("event") == "complete":
                    return
                if event.get("data"):
                    yield _got(json.loads(event["data"]), event.get("id"))


async def _events(response: httpx.Response) -> AsyncGenerator[dict[str, str], None]:
    event: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(":")
            event[name] = value.removeprefix(" ")
        else:
            yield event
            event = {}


def _got(payload: dict[str, Any], cursor: str | None) -> Got:
    if errors := payload.get("errors"):
        raise Ended(errors)
    return Got(payload["data"], cursor or payload.get("extensions", {}).get("cursor"))
