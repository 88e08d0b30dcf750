"""One WebSocket that speaks graphql-transport-ws, by its PROTOCOL document.

Each operation is a task of its own: what ends one touches no other. A socket ends by the protocol's close codes only,
each with a reason; a client that does not read is let go with 1013, which clients take as "try again".
"""

import asyncio
import logging
from contextlib import suppress
from typing import Final

import msgspec
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.errors import InvalidInput, SubscriptionLimit
from app.execution.errors import format_exception
from app.execution.operations import Operation, Operations, RequestRefused
from app.live.mailbox import Closed
from app.metrics import Metrics
from app.settings import Settings
from app.transport.messages import SUBPROTOCOL, Complete, Init, Message, Ping, Pong, Subscribe, Unreadable, read, write

log = logging.getLogger(__name__)

_SEND_SECONDS: Final = 20.0
"""How long a client may leave its socket full before it is let go."""
_REASON_BYTES: Final = 123
"""RFC 6455: a close frame holds 125 bytes, two of them the code."""
_BAD_MESSAGE, _UNAUTHORIZED, _BAD_SUBPROTOCOL, _NO_INIT, _TWIN, _TWO_INITS = 4400, 4401, 4406, 4408, 4409, 4429
_RESTART, _TRY_LATER, _TOO_BIG = 1012, 1013, 1009


class _Close(Exception):
    """The socket must be closed."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode()[:_REASON_BYTES].decode(errors="ignore")


class Sessions:
    """Opens and counts the sockets of this process."""

    def __init__(self, operations: Operations, settings: Settings, metrics: Metrics) -> None:
        self._operations = operations
        self._settings = settings
        self._metrics = metrics
        self.open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one socket until it ends."""
        self.open += 1
        try:
            await self._serve(WebSocket(scope, receive, send))
        finally:
            self.open -= 1

    async def _serve(self, socket: WebSocket) -> None:
        try:
            if SUBPROTOCOL not in socket.scope["subprotocols"]:
                await socket.accept()
                raise _Close(_BAD_SUBPROTOCOL, f"Subprotocol not acceptable: offer {SUBPROTOCOL}")
            await socket.accept(SUBPROTOCOL)
            if self.open > self._settings.max_sockets:
                raise _Close(_TRY_LATER, f"Limit exceeded: sockets, at most {self._settings.max_sockets:,}")
            await Session(socket, self._operations, self._settings, self._metrics).run()
        except _Close as close:
            self._metrics.closes.add(str(close.code))
            with suppress(RuntimeError, WebSocketDisconnect, TimeoutError):  # the client may have gone meanwhile
                async with asyncio.timeout(_SEND_SECONDS):
                    await socket.close(close.code, close.reason)
        except WebSocketDisconnect:
            pass


class Session:
    """One accepted socket."""

    def __init__(self, socket: WebSocket, operations: Operations, settings: Settings, metrics: Metrics) -> None:
        self._socket = socket
        self._operations = operations
        self._settings = settings
        self._metrics = metrics
        self._is_acknowledged = False
        self._running: dict[str, asyncio.Task[None]] = {}
        self._sending = asyncio.Lock()
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Until the client goes (WebSocketDisconnect) or must go (`_Close`)."""
        reader = asyncio.create_task(self._read())
        try:
            await asyncio.wait((reader, self._ended), return_when=asyncio.FIRST_COMPLETED)
            for done in (self._ended, reader):
                if done.done():
                    done.result()
        finally:
            await self._stop(reader)

    async def _stop(self, reader: asyncio.Task[None]) -> None:
        tasks = [reader, *self._running.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._ended.done():
            self._ended.exception()  # it may have come second, and is not to be reported as never seen

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(self._settings.connection_init_timeout_seconds):
                while not self._is_acknowledged:
                    await self._handle(await self._next())
        except TimeoutError:
            raise _Close(_NO_INIT, "Connection initialisation timeout") from None
        while True:
            await self._handle(await self._next())

    async def _next(self) -> Message:
        event = await self._socket.receive()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", 1005))
        text = event.get("text")
        if text is None:
            raise _Close(_BAD_MESSAGE, "Messages must be text frames of JSON")
        if len(text) > self._settings.max_frame_bytes:
            raise _Close(_TOO_BIG, f"Limit exceeded: frame, at most {self._settings.max_frame_bytes:,} bytes")
        try:
            return read(text)
        except InvalidInput as error:
            raise _Close(_BAD_MESSAGE, f"Invalid message: {error}") from None

    async def _handle(self, message: Message) -> None:
        match message:
            case Init():
                await self._acknowledge()
            case Ping(payload):
                await self._send(write("pong", payload=payload))
            case Pong():
                pass
            case Subscribe():
                await self._subscribe(message)
            case Unreadable(name, reason):
                self._check_new(name)
                await self._send(self._failed(name, [format_exception(reason)]))
            case Complete(name):
                await self._complete(name)

    async def _acknowledge(self) -> None:
        if self._is_acknowledged:
            raise _Close(_TWO_INITS, "Too many initialisation requests")
        self._is_acknowledged = True
        await self._send(write("connection_ack"))

    def _check_new(self, name: str) -> None:
        """Raises `_Close` where the protocol allows no operation of that id now."""
        if not self._is_acknowledged:
            raise _Close(_UNAUTHORIZED, "Unauthorized")
        if name in self._running:
            raise _Close(_TWIN, f"Subscriber for {name} already exists")

    async def _subscribe(self, message: Subscribe) -> None:
        self._check_new(message.id)
        limit = self._settings.max_operations_per_socket
        if len(self._running) >= limit:
            error = SubscriptionLimit(f"Limit exceeded: operations on a socket, at most {limit}. Open another socket.")
            self._metrics.operations.add("refused")
            await self._send(write("error", id=message.id, payload=[format_exception(error)]))
            return
        task = asyncio.create_task(self._operate(message))
        self._running[message.id] = task

    async def _complete(self, name: str) -> None:
        task = self._running.pop(name, None)
        if task is not None:
            task.cancel()
            # Its mailbox is gone when this returns: a new operation of the same name starts clean.
            await asyncio.gather(task, return_exceptions=True)

    async def _operate(self, message: Subscribe) -> None:
        outcome = await self._outcome(message)
        if self._running.get(message.id) is asyncio.current_task():
            del self._running[message.id]
            await self._try_send(outcome)

    async def _outcome(self, message: Subscribe) -> str:
        """Runs the operation; its last message."""
        try:
            operation = self._operations.prepare(message.request)
            await self._send_results(message.id, operation)
        except RequestRefused as refused:
            return self._failed(message.id, refused.response["errors"])
        except Closed:
            self._end(_Close(_RESTART, "Service restart"))
            return write("complete", id=message.id)
        except _Close as close:
            self._end(close)
            return write("complete", id=message.id)
        except Exception as error:  # whatever it is, it ends this operation and no other
            return self._failed(message.id, [format_exception(error)])
        self._metrics.operations.add("ok")
        return write("complete", id=message.id)

    async def _send_results(self, name: str, operation: Operation) -> None:
        if not operation.is_subscription:
            answer = await self._operations.run(operation)
            self._metrics.payloads.add("query")
            await self._send(write("next", id=name, payload=msgspec.Raw(answer.body)))
            return
        async for response in self._operations.stream(operation):
            self._metrics.payloads.add("subscription")
            await self._send(write("next", id=name, payload=response))

    def _failed(self, name: str, errors: list[dict[str, object]]) -> str:
        self._metrics.operations.add("error")
        return write("error", id=name, payload=errors)

    async def _send(self, frame: str) -> None:
        try:
            async with asyncio.timeout(_SEND_SECONDS), self._sending:
                await self._socket.send_text(frame)
        except TimeoutError:
            raise _Close(_TRY_LATER, "Slow consumer: the socket was not read in time") from None

    async def _try_send(self, frame: str) -> None:
        try:
            await self._send(frame)
        except _Close as close:
            self._end(close)
        except (RuntimeError, WebSocketDisconnect):
            pass  # the client has gone

    def _end(self, close: _Close) -> None:
        if not self._ended.done():
            self._ended.set_exception(close)
