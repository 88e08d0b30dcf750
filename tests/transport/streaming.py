"""Clients of subscriptions over HTTP that read to the letter, and a server of them over a real store."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
from fanout import listening
from live.feeding import running_hub
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.routing import Route
from transport.serving import SECONDS, served

from app.fanout.fanout import Fanout
from app.live.hub import Hub
from app.metrics import Metrics
from app.settings import Settings
from app.transport.door import Door
from app.transport.streams import Streams
from app.transport.view import FRAMINGS, View

EVENTS = "text/event-stream"
MULTIPART = "multipart/mixed;subscriptionSpec=1.0"
BOUNDARY = b"\r\n--graphql"
PART_HEAD = b"\r\ncontent-type: application/json\r\n\r\n"


class Event(NamedTuple):
    """One dispatched event, and the last id at that time."""

    kind: str
    data: str
    last_id: str


class Stream:
    """The body of a response, as it comes."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.has_ended = False
        self._chunks = response.aiter_raw()
        self._data = b""

    async def until(self, end: bytes) -> bytes | None:
        """What comes before the next `end`; None when the response is over."""
        async with asyncio.timeout(SECONDS):
            while end not in self._data:
                try:
                    self._data += await anext(self._chunks)
                except StopAsyncIteration:
                    self.has_ended = True
                    return None
        found, _, self._data = self._data.partition(end)
        return found

    async def rest(self) -> bytes:
        """Everything until the response is over."""
        assert await self.until(b"\x00") is None
        return self._data


class Events:
    """By the WHATWG's "interpreting an event stream", but stricter: lines end in LF only, and every field is known."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.last_id = ""
        self.retry: int | None = None
        self.comments = 0

    async def next(self) -> Event | None:
        """The next event that a client would dispatch; None when the response is over."""
        while (block := await self.stream.until(b"\n\n")) is not None:
            event = self._read(block.decode())
            if event is not None:
                return event
        assert await self.stream.rest() == b"", "the stream ends between events"
        return None

    async def begun(self) -> None:
        """Returns when there is an id to resume after, before any event."""
        while not self.last_id:
            block = await self.stream.until(b"\n\n")
            assert block is not None
            assert self._read(block.decode()) is None

    async def response(self) -> Any:
        """The next `next`, as JSON."""
        event = await self.next()
        assert event is not None
        assert event.kind == "next", event
        return json.loads(event.data)

    async def ends(self) -> list[Event]:
        """Everything that still comes."""
        found = []
        while (event := await self.next()) is not None:
            found.append(event)
        return found

    def _read(self, block: str) -> Event | None:
        assert "\r" not in block
        kind, data = "", None
        for line in block.split("\n"):
            name, _, value = line.partition(":")
            assert not value or value.startswith(" ")
            if not name:
                self.comments += 1
            elif name == "event":
                kind = value[1:]
            elif name == "data":
                assert data is None, "JSON takes one line"
                data = value[1:]
            elif name == "id":
                self.last_id = value[1:]
            else:
                assert name == "retry", line
                self.retry = int(value)
        return None if data is None else Event(kind, data, self.last_id)


class Parts:
    """As Apollo's clients read: a part is there when the boundary after it is."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.heartbeats = 0
        self._is_begun = False

    async def next(self) -> dict[str, Any] | None:
        """The next part that is no heartbeat; None after the last boundary."""
        if not self._is_begun:
            self._is_begun = True
            assert await self.stream.until(BOUNDARY) == b""
        while (part := await self.stream.until(BOUNDARY)) is not None:
            assert part.startswith(PART_HEAD)
            message: dict[str, Any] = json.loads(part.removeprefix(PART_HEAD))
            if message:
                return message
            self.heartbeats += 1
        assert await self.stream.rest() == b"--\r\n"
        return None


@asynccontextmanager
async def streamed(
    host: str,
    query: str,
    variables: Mapping[str, Any] | None = None,
    *,
    accept: str = EVENTS,
    method: str = "POST",
    **headers: str,
) -> AsyncIterator[Stream]:
    """Asks and gives the body; leaving closes the connection."""
    request: dict[str, Any] = {"json": {"query": query, "variables": variables or {}}}
    if method == "GET":
        request = {"params": {"query": query, "variables": json.dumps(variables or {})}}
    named = {"accept": accept} | {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        httpx.AsyncClient(timeout=SECONDS) as http,
        http.stream(method, f"http://{host}/graphql", headers=named, **request) as response,
    ):
        yield Stream(response)


@asynccontextmanager
async def events(
    host: str, query: str, variables: Mapping[str, Any] | None = None, **given: Any
) -> AsyncIterator[Events]:
    async with streamed(host, query, variables, **given) as stream:
        assert stream.response.status_code == 200, await stream.rest()
        assert stream.response.headers["content-type"] == "text/event-stream; charset=utf-8"
        yield Events(stream)


@asynccontextmanager
async def parts(
    host: str, query: str, variables: Mapping[str, Any] | None = None, **given: Any
) -> AsyncIterator[Parts]:
    async with streamed(host, query, variables, accept=MULTIPART, **given) as stream:
        assert stream.response.status_code == 200, await stream.rest()
        assert stream.response.headers["content-type"] == "multipart/mixed;boundary=graphql;subscriptionSpec=1.0"
        yield Parts(stream)


class Market(NamedTuple):
    """A server of streams over a store."""

    host: str
    hub: Hub
    fanout: Fanout
    streams: Streams
    metrics: Metrics


@asynccontextmanager
async def streaming_market(engine: AsyncEngine) -> AsyncIterator[Market]:
    settings = Settings(sol_usd="150")
    async with running_hub(engine) as hub:
        server = await listening.serve(engine, hub)
        metrics = Metrics()
        streams = Streams(server.fanout, FRAMINGS, Door(100), metrics)
        app = Starlette(routes=[Route("/graphql", View(server.operations, streams, settings, metrics))])
        async with served(app, settings, lifespan="off") as host:
            yield Market(host, hub, server.fanout, streams, metrics)
