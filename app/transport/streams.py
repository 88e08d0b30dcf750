"""The subscriptions over HTTP of this process: what may be opened, what is told to come again, and how they end."""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import SubscriptionLimit
from app.execution.errors import format_exception
from app.execution.operations import Operation, RequestRefused
from app.execution.requests import GraphQLRequest
from app.fanout.members import Member
from app.metrics import Metrics
from app.transport.connection import connection_of
from app.transport.door import Door, tell_of_restart
from app.transport.framing import Framing
from app.transport.stream import Stream, StreamRoad


class Subscriptions(Protocol):
    """What keeps subscriptions going: `Fanout`."""

    def join(self, request: GraphQLRequest, member: Member) -> bool: ...

    def subscribe(
        self, operation: Operation, request: GraphQLRequest, member: Member, after: str | None = None
    ) -> Coroutine[Any, Any, None]: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A subscription that may begin; `after` is the last cursor that its client has seen, where it says so."""

    request: GraphQLRequest
    operation: Operation
    after: str | None


class Streams:
    """Opens, counts and drains the streams of this process."""

    def __init__(
        self, subscriptions: Subscriptions, framings: Mapping[str, Framing], door: Door, metrics: Metrics
    ) -> None:
        self._subscriptions = subscriptions
        self._door = door
        self._metrics = metrics
        self._roads = {media: StreamRoad(framing, metrics) for media, framing in framings.items()}
        self._open: set[Stream] = set()
        self._is_draining = False
        door.watch(self._open)

    @property
    def open(self) -> int:
        """Streams that are open."""
        return len(self._open)

    def response(self, media: str, asked: Asked) -> ASGIApp:
        """The response in which the subscription goes on until either side ends it. Raises SubscriptionLimit."""
        if self._door.is_full:
            self._metrics.streams.add("refused")
            raise SubscriptionLimit(f"Limit exceeded: sockets, at most {self._door.most:,}. Try again later.")

        async def respond(scope: Scope, receive: Receive, send: Send) -> None:
            stream = Stream(self._roads[media], connection_of(scope))
            self._open.add(stream)
            try:
                await self._serve(stream, asked, send)
            finally:
                stream.release()
                self._open.discard(stream)
                self._metrics.streams.add(stream.outcome)

        return respond

    async def _serve(self, stream: Stream, asked: Asked, send: Send) -> None:
        road = stream.road
        await send({"type": "http.response.start", "status": 200, "headers": road.headers})
        await send({"type": "http.response.body", "body": road.framing.opening, "more_body": True})
        opening = None
        if self._is_draining:
            stream.on_restart()
        elif asked.after is None and self._subscriptions.join(asked.request, stream):
            stream.begin()
        else:
            opening = asyncio.create_task(self._subscribe(stream, asked))
        try:
            last = await stream.over
        finally:
            stream.leave()
            if opening is not None:
                opening.cancel()
        if last is not None:
            await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _subscribe(self, stream: Stream, asked: Asked) -> None:
        try:
            await self._subscriptions.subscribe(asked.operation, asked.request, stream, asked.after)
            stream.begin()
        except RequestRefused as refused:
            stream.end(refused.response["errors"])
        except Exception as error:
            stream.end([format_exception(error)])

    async def drain(self) -> None:
        """Tells all streams to come again elsewhere; and who comes from now on, too."""
        self._is_draining = True
        await tell_of_restart(self._open)
