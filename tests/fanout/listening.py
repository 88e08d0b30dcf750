"""A client of fan-out without a socket: what a transport would be given, in order."""

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Any

from live.feeding import SECONDS, SETTINGS
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.cursors import Cursors
from app.execution.operations import Operations
from app.execution.requests import GraphQLRequest
from app.fanout.fanout import Fanout
from app.fanout.members import Member
from app.fanout.payloads import Payload
from app.live.hub import Hub
from app.schema import core_schema
from app.schema.context import Context
from app.store.identity import read_store_id

TRADES = "subscription($mint: String!, $after: String) { trades(mintAddress: $mint, after: $after) { signature } }"
LAUNCHES = "subscription($after: String) { newTokens(after: $after) { mintAddress } }"
GRADUATIONS = "subscription($after: String) { graduations(after: $after) { mintAddress } }"


class Ended(Exception):
    """The server ended the operation; its errors."""

    def __init__(self, errors: Sequence[dict[str, Any]] | None) -> None:
        super().__init__(errors)
        self.errors = errors or []

    @property
    def extensions(self) -> dict[str, Any]:
        extensions: dict[str, Any] = self.errors[0]["extensions"]
        return extensions


class _Road:
    def deliver(self, payloads: Sequence[Payload], members: Iterable["Listener"]) -> None:
        for member in members:
            if member.is_waiting or member.is_full:
                member.hold(payloads)
            else:
                member.send(payloads)


_ROAD = _Road()


class Listener(Member):
    """Reads nothing by itself: more than `room` payloads unread, and it is full."""

    road = _ROAD

    def __init__(self, room: int = 1_000) -> None:
        super().__init__()
        self.payloads: list[Payload] = []
        self.times: list[float] = []
        """When something came, by the loop's clock."""
        self.errors: Sequence[dict[str, Any]] | None = None
        self.has_ended = False
        self._unread = 0
        self._room_for = room
        self._changed = asyncio.Event()
        self.task: asyncio.Task[None] | None = None

    @property
    def is_full(self) -> bool:
        return self._unread >= self._room_for

    def send(self, payloads: Sequence[Payload]) -> None:
        assert not self.has_ended, "nothing may follow the end"
        self.payloads += payloads
        self.times.append(asyncio.get_running_loop().time())
        self._unread += len(payloads)
        self._changed.set()

    def end(self, errors: Sequence[dict[str, Any]] | None) -> None:
        assert not self.has_ended, "an operation ends once"
        self.has_ended, self.errors = True, errors
        self._changed.set()

    async def read(self) -> Payload:
        """The next payload. Raises Ended after the last one."""
        while not self._unread:
            if self.has_ended:
                raise Ended(self.errors)
            self._changed.clear()
            async with asyncio.timeout(SECONDS):
                await self._changed.wait()
        payload = self.payloads[len(self.payloads) - self._unread]
        self._unread -= 1
        if not self.is_full:
            self.has_room()
        return payload

    async def data(self) -> dict[str, Any]:
        """`data` of the next payload."""
        response = json.loads((await self.read()).body)
        assert "errors" not in response, response
        data: dict[str, Any] = response["data"]
        return data

    async def records(self, count: int) -> list[Any]:
        """The next `count` records."""
        found: list[Any] = []
        while len(found) < count:
            found += (await self.read()).records
        return found

    async def has(self, expected: Sequence[Any]) -> None:
        """Waits until it has as many records as expected: those, in that order, once each."""
        async with asyncio.timeout(SECONDS):
            while sum(len(payload.records) for payload in self.payloads) < len(expected) and not self.has_ended:
                self._changed.clear()
                await self._changed.wait()
        got = [record for payload in self.payloads for record in payload.records]
        assert [record.sequence for record in got] == [record.sequence for record in expected]

    async def stop(self) -> None:
        """The client goes."""
        self.leave()
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)


class Server:
    """Hub and fan-out as one API process has them."""

    def __init__(self, hub: Hub, operations: Operations, fanout: Fanout, cursors: Cursors) -> None:
        self.hub = hub
        self.operations = operations
        self.fanout = fanout
        self.cursors = cursors

    def listen(self, query: str, listener: Listener | None = None, **variables: object) -> Listener:
        """Subscribes; the task of it goes on until the listener is live."""
        listener = listener or Listener()
        request = GraphQLRequest(query, variables, None)
        if not self.fanout.join(request, listener):
            operation = self.operations.prepare(request)
            listener.task = asyncio.create_task(self.fanout.subscribe(operation, request, listener))
        return listener

    async def live(self, query: str, listener: Listener | None = None, **variables: object) -> Listener:
        """Subscribes; returns when the listener is live."""
        listener = self.listen(query, listener, **variables)
        if listener.task is not None:
            async with asyncio.timeout(SECONDS):
                await listener.task
        return listener

    def cursor(self, sequence: int) -> str:
        """Resume point after a sequence."""
        return self.cursors.encode(sequence, 0, 0, b"")


async def serve(engine: AsyncEngine, hub: Hub, limit: int = 1_024) -> Server:
    """Fan-out over a running hub; `limit` records may wait for one member."""
    cursors = Cursors(await read_store_id(engine))
    context = Context(engine, cursors, SETTINGS, hub)
    operations = Operations(core_schema, SETTINGS, context.fresh)
    return Server(hub, operations, Fanout(operations, hub, context.at, limit), cursors)
