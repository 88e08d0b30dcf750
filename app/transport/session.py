"""One socket that speaks graphql-transport-ws, by its PROTOCOL document: a state machine on the callbacks of its wire.

A query runs in a task of its own, and so does a subscription until it is live: what ends one touches no other. A socket
ends by the protocol's close codes only, each with a reason; where a client should come again, the code says so.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
from websockets.frames import CloseCode, Opcode

from app.errors import InvalidInput, SubscriptionLimit
from app.execution.errors import format_exception
from app.execution.operations import Operation, Operations, RequestRefused
from app.execution.requests import GraphQLRequest
from app.fanout.backlog import Newest
from app.fanout.members import Member
from app.metrics import Metrics
from app.settings import Settings
from app.transport.frames import frame
from app.transport.messages import Complete, Init, Message, Ping, Pong, Subscribe, Unreadable, read, write
from app.transport.road import Roads, WsMember
from app.transport.talk import Listener
from app.transport.wire import Wire

_BAD_MESSAGE, _UNAUTHORIZED, _NO_INIT, _TWIN, _TWO_INITS = 4400, 4401, 4408, 4409, 4429
_ACK: Final = frame(Opcode.TEXT, write("connection_ack"))


class Subscriptions(Protocol):
    """What keeps subscriptions going: `Fanout`."""

    def join(self, request: GraphQLRequest, member: Member) -> bool: ...

    def subscribe(self, operation: Operation, request: GraphQLRequest, member: Member) -> Coroutine[Any, Any, None]: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all sessions of a process share."""

    operations: Operations
    subscriptions: Subscriptions
    roads: Roads
    settings: Settings
    metrics: Metrics
    sessions: "set[Session]"
    """Those that are open."""


class Session(Listener):
    """One accepted socket."""

    __slots__ = ("_around", "_is_acknowledged", "_is_restarting", "_operations", "_unanswered", "_wire")

    def __init__(self, wire: Wire, around: Surroundings) -> None:
        self._wire = wire
        self._around = around
        self._is_acknowledged = False
        self._is_restarting = False
        self._operations: dict[str, WsMember] = {}
        self._unanswered = 0
        """Operations that may be queries, and have not ended."""
        around.sessions.add(self)
        wire.attach(self)
        wire.expect(around.settings.connection_init_timeout_seconds)

    # ---------------------------------------------------------------- from the wire

    def on_text(self, text: str) -> None:
        try:
            message = read(text)
        except InvalidInput as error:
            self._wire.close(_BAD_MESSAGE, f"Invalid message: {error}")
        else:
            self._handle(message)

    def on_binary(self, data: bytes) -> None:
        self._wire.close(_BAD_MESSAGE, "Messages must be text frames of JSON")

    def on_room(self) -> None:
        if not self._is_acknowledged:
            self._wire.expect(self._around.settings.connection_init_timeout_seconds)
        for member in tuple(self._operations.values()):
            member.has_room()

    def on_stuck(self) -> bool:
        """A socket whose operations all conflate holds the newest of each key only: keepalive decides about it."""
        members = self._operations.values()
        return bool(members) and all(isinstance(each.backlog, Newest) for each in members)

    def on_late(self) -> None:
        self._wire.close(_NO_INIT, "Connection initialisation timeout")

    def on_restart(self) -> None:
        self._is_restarting = True
        self._restart_if_answered()

    def on_end(self) -> None:
        self._around.sessions.discard(self)
        members, self._operations = self._operations, {}
        for member in members.values():
            member.stop()

    # ---------------------------------------------------------------- messages

    def _handle(self, message: Message) -> None:
        match message:
            case Subscribe():
                self._subscribe(message)
            case Complete(name):
                self._complete(name)
            case Init():
                self._acknowledge()
            case Ping(payload):
                self._say(write("pong", payload=payload))
            case Pong():
                pass
            case Unreadable(name, reason):
                if self._may_begin(name):
                    self._around.metrics.operations.add("error")
                    self._say(write("error", id=name, payload=[format_exception(reason)]))

    def _acknowledge(self) -> None:
        if self._is_acknowledged:
            self._wire.close(_TWO_INITS, "Too many initialisation requests")
            return
        self._is_acknowledged = True
        self._wire.came()
        self._wire.send(_ACK)

    def _may_begin(self, name: str) -> bool:
        """Whether the protocol allows an operation of that id now; closes the socket where it does not."""
        if not self._is_acknowledged:
            self._wire.close(_UNAUTHORIZED, "Unauthorized")
            return False
        if name in self._operations:
            self._wire.close(_TWIN, f"Subscriber for {name} already exists")
            return False
        return True

    def _subscribe(self, message: Subscribe) -> None:
        if not self._may_begin(message.id) or self._is_restarting:
            return  # where the server restarts, the client asks again elsewhere when it is told so
        limit = self._around.settings.max_operations_per_socket
        if len(self._operations) >= limit:
            error = SubscriptionLimit(f"Limit exceeded: operations on a socket, at most {limit}. Open another socket.")
            self._around.metrics.operations.add("refused")
            self._say(write("error", id=message.id, payload=[format_exception(error)]))
            return
        member = WsMember(self, self._wire, message.id, self._around.roads)
        self._operations[message.id] = member
        if not self._around.subscriptions.join(message.request, member):
            self._unanswered += 1
            member.task = asyncio.create_task(self._operate(member, message.request))

    def _complete(self, name: str) -> None:
        member = self._operations.pop(name, None)
        if member is not None:
            self._around.metrics.operations.add("ok")
            member.stop()

    # ---------------------------------------------------------------- operations

    async def _operate(self, member: WsMember, request: GraphQLRequest) -> None:
        """Answers a query, or opens a subscription. Whatever goes wrong ends this operation and no other."""
        is_unanswered = True
        try:
            operation = self._around.operations.prepare(request)
            if operation.is_subscription:
                is_unanswered = False
                self._answered()
                await self._around.subscriptions.subscribe(operation, request, member)
            else:
                await self._answer(member, operation)
        except RequestRefused as refused:
            self.finish(member, refused.response["errors"])
        except Exception as error:
            self.finish(member, [format_exception(error)])
        finally:
            member.task = None
            if is_unanswered:
                self._answered()

    async def _answer(self, member: WsMember, operation: Operation) -> None:
        await member.room()  # nothing is executed for a client that does not read
        answer = await self._around.operations.run(operation)
        await member.room()
        if self._operations.get(member.name) is member:
            self._around.metrics.payloads.add("query")
            self._say(write("next", id=member.name, payload=msgspec.Raw(answer.body)))
        self.finish(member, None)

    def _answered(self) -> None:
        self._unanswered -= 1
        if self._is_restarting:
            self._restart_if_answered()

    def _restart_if_answered(self) -> None:
        if not self._unanswered:
            self._wire.close(CloseCode.SERVICE_RESTART, "Service restart")

    def finish(self, member: WsMember, errors: Sequence[dict[str, Any]] | None) -> None:
        """The last message of an operation, unless the client has ended it before."""
        if self._operations.get(member.name) is not member:
            return
        del self._operations[member.name]
        self._around.metrics.operations.add("ok" if errors is None else "error")
        if errors is None:
            self._say(write("complete", id=member.name))
        else:
            self._say(write("error", id=member.name, payload=errors))

    def _say(self, message: bytes) -> None:
        self._wire.send(frame(Opcode.TEXT, message))
