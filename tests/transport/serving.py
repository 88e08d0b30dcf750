"""A small schema behind the real transport, on a real uvicorn: what protocols do, apart from any market."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, NamedTuple

import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from app.errors import InvalidInput, Lagged
from app.execution.operations import Operation, Operations
from app.execution.requests import GraphQLRequest
from app.fanout.members import Member
from app.fanout.payloads import Payload
from app.metrics import Metrics
from app.schema.directives import Cost
from app.settings import Settings
from app.transport.listener import Server
from app.transport.messages import SUBPROTOCOL
from app.transport.server import server_options
from app.transport.sessions import Sessions
from app.transport.streams import Streams
from app.transport.view import FRAMINGS, View

SECONDS = 5.0
"""How long a test waits for what must come."""


class _Event(NamedTuple):
    value: object
    cursor: str | None
    context: object


class Gate:
    """Lets a test hold a subscription or query open, and see that it was let go."""

    def __init__(self) -> None:
        self.opened = asyncio.Event()
        self.entered = asyncio.Event()
        self.left = asyncio.Event()


@strawberry.type
class Item:
    name: str

    @strawberry.field
    def item(self) -> "Item":
        return self


def _items(first: int | None = None) -> list[Item]:
    return [Item(name=str(number)) for number in range(min(first or 1, 3))]


@strawberry.type
class Query:
    items = strawberry.field(resolver=_items, directives=[Cost(weight=1, multiplier="first")])

    @strawberry.field
    def hello(self, name: str = "you", times: int = 1) -> str:
        return f"hello {name}" * times

    @strawberry.field
    def item(self) -> Item:
        return Item(name="one")

    @strawberry.field
    def broken(self) -> str | None:
        raise RuntimeError("postgresql://user:secret@db/curvecast")

    @strawberry.field
    def wrong(self) -> str | None:
        raise InvalidInput("`wrong` is always wrong: ask for `hello`.")

    @strawberry.field
    async def held(self, info: strawberry.Info[Gate, None]) -> str:
        info.context.entered.set()
        try:
            await info.context.opened.wait()
        finally:
            info.context.left.set()
        return "let go"


_Source = AsyncGenerator[Any, None]


async def _numbers(gate: Gate, to: int) -> _Source:
    for number in range(1, to + 1):
        yield _Event(number, f"after-{number}", gate)


async def _held(gate: Gate) -> _Source:
    gate.entered.set()
    try:
        yield _Event(1, None, gate)
        await gate.opened.wait()
    finally:
        gate.left.set()


async def _flood(gate: Gate) -> _Source:
    try:
        while True:
            yield _Event("x" * 10_000, None, gate)
    finally:
        gate.left.set()


async def _lagged(gate: Gate) -> _Source:
    yield _Event(1, "after-1", gate)
    raise Lagged("Too slow.", "after-1")


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def count(self, info: strawberry.Info[Gate, None], to: int) -> AsyncGenerator[int, None]:
        return _numbers(info.context, to)

    @strawberry.subscription
    async def held(self, info: strawberry.Info[Gate, None]) -> AsyncGenerator[int, None]:
        return _held(info.context)

    @strawberry.subscription
    async def flood(self, info: strawberry.Info[Gate, None]) -> AsyncGenerator[str, None]:
        return _flood(info.context)

    @strawberry.subscription
    async def lagged(self, info: strawberry.Info[Gate, None]) -> AsyncGenerator[int, None]:
        return _lagged(info.context)


schema = strawberry.Schema(Query, subscription=Subscription)


class Alone:
    """Subscriptions without groups, each from the generator that its resolver returns: how sessions end, wait and
    begin is the same."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    def join(self, request: GraphQLRequest, member: Member) -> bool:
        return False

    async def subscribe(
        self, operation: Operation, request: GraphQLRequest, member: Member, after: str | None = None
    ) -> None:
        source = await self._operations.open(operation)
        respond = self._operations.responder(operation)
        async with aclosing(source):
            async for event in source:
                await member.room()
                body = respond(event.value, event.context)
                assert isinstance(body, bytes)
                if event.cursor is not None:
                    body = body[:-1] + b',"extensions":{"cursor":"%s"}}' % event.cursor.encode()
                member.send([Payload(body, 0, event.cursor, None, ())])
                await asyncio.sleep(0)
        member.end(None)


def small_app(settings: Settings, gate: Gate | None = None) -> Starlette:
    """The view and the sessions over the small schema."""
    context = gate or Gate()
    operations = Operations(schema._schema, settings, lambda: context)
    metrics = Metrics()
    alone = Alone(operations)
    sessions = Sessions(operations, alone, settings, metrics)
    streams = Streams(alone, FRAMINGS, sessions.door, metrics)
    view = View(operations, streams, settings, metrics)

    async def drain() -> None:
        await asyncio.gather(sessions.drain(), streams.drain())

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        yield {"drain": drain}

    return Starlette(routes=[Route("/graphql", view), WebSocketRoute("/graphql", sessions)], lifespan=lifespan)


@asynccontextmanager
async def served(app: ASGIApp, settings: Settings, **options: Any) -> AsyncIterator[str]:
    """Serves on a free port of the loopback interface; its host and port."""
    async with serving(app, settings, **options) as server:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"127.0.0.1:{port}"


@asynccontextmanager
async def serving(app: ASGIApp, settings: Settings, **options: Any) -> AsyncIterator[Server]:
    """The same, and the server itself."""
    options = server_options(settings) | {"lifespan": "on"} | options
    server = Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, **options))
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            assert not task.done(), "the server did not start"
            await asyncio.sleep(0.005)
        yield server
    finally:
        server.should_exit = True
        await task


class Client:
    """A graphql-transport-ws client that hides nothing: frames in, frames out."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def send(self, message: object) -> None:
        await self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(SECONDS):
            message: dict[str, Any] = json.loads(await self.socket.recv())
            return message

    async def init(self) -> None:
        await self.send({"type": "connection_init"})
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(self, name: str, query: str, **variables: object) -> None:
        payload = {"query": query, "variables": variables}
        await self.send({"type": "subscribe", "id": name, "payload": payload})

    async def closed(self) -> tuple[int | None, str | None]:
        """Code and reason with which the server closed; what was sent before is passed over."""
        async with asyncio.timeout(SECONDS):
            with suppress(ConnectionClosed):
                async for _ in self.socket:
                    pass
            await self.socket.wait_closed()
        return self.socket.close_code, self.socket.close_reason


@asynccontextmanager
async def client(host: str, **options: Any) -> AsyncIterator[Client]:
    options = {"subprotocols": [SUBPROTOCOL], "compression": None, "max_queue": None} | options
    async with connect(f"ws://{host}/graphql", **options) as socket:
        yield Client(socket)
