"""The opening handshake: uvicorn has read the request, the ASGI application accepts or refuses it and takes it over.

Middleware, routing and limits see a WebSocket like any other; what holds a socket open afterwards is a `Wire`.
uvicorn's own protocol would read the request a second time, and took more than half of what opening a socket costs
(5,000 sockets subscribed in 1.9 s with it, in 1.2 s without).
"""

import asyncio
import base64
import binascii
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, TypeAlias, cast
from urllib.parse import unquote

from starlette.types import Message, Scope
from starlette.websockets import WebSocket, WebSocketDisconnect
from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr, is_ssl
from uvicorn.server import ServerState
from websockets.utils import accept_key

from app.transport.outbox import Outbox
from app.transport.wire import Wire

log = logging.getLogger(__name__)

_EXTENSION: Final = "curvecast.wire"
_VERSION: Final = b"13"
_KEY_BYTES: Final = 16
_ABNORMAL: Final = 1006
TakeOver: TypeAlias = Callable[[Outbox], Wire]
Headers: TypeAlias = list[tuple[bytes, bytes]]


class Handshake(asyncio.Protocol):
    """For uvicorn's `ws=`: lives until the application has answered."""

    def __init__(
        self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: object = None
    ) -> None:
        self._config = config
        self._server_state = server_state
        self._connections: set[Any] = server_state.connections
        self._app_state = app_state
        self._transport: asyncio.Transport
        self._task: asyncio.Task[None] | None = None
        self._accept = b""
        self._is_answered = False
        self._is_handed_over = False
        self._is_gone = False
        self._refusal: tuple[int, Headers, list[bytes]] | None = None
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._early: list[bytes] = []

    # ---------------------------------------------------------------- from uvicorn

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own are not of that class
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        """First the request, as uvicorn writes it anew from what it has read."""
        if self._task is not None:
            self._early.append(data)  # between the answer and the taking over, should a middleware wait there
            self._transport.pause_reading()
            return
        method, target, headers = _parse(data)
        found = dict(headers)
        key = found.get(b"sec-websocket-key", b"")
        if method != b"GET" or not _is_key(key):
            self._answer(HTTPStatus.BAD_REQUEST, [], b"This is no opening handshake of RFC 6455.\n")
        elif found.get(b"sec-websocket-version") != _VERSION:
            self._answer(HTTPStatus.UPGRADE_REQUIRED, [(b"sec-websocket-version", _VERSION)], b"Use version 13.\n")
        else:
            self._accept = accept_key(key.decode()).encode()
            self._events.put_nowait({"type": "websocket.connect"})
            self._task = asyncio.get_running_loop().create_task(self._run(self._scope(target, headers)))
            self._server_state.tasks.add(self._task)
            self._task.add_done_callback(self._server_state.tasks.discard)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._is_answered = self._is_gone = True
        self._events.put_nowait({"type": "websocket.disconnect", "code": _ABNORMAL})

    def shutdown(self) -> None:
        """The server stops and the application has not answered yet."""
        self._answer(HTTPStatus.SERVICE_UNAVAILABLE, [], b"The server restarts: try again.\n")

    # ---------------------------------------------------------------- the application

    def _scope(self, target: bytes, headers: Headers) -> Scope:
        transport, root_path = self._transport, self._config.root_path
        path, _, query = target.partition(b"?")
        offered = b",".join(value for name, value in headers if name == b"sec-websocket-protocol")
        return {
            "type": "websocket",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if is_ssl(transport) else "ws",
            "server": get_local_addr(transport),
            "client": get_remote_addr(transport),
            "root_path": root_path,
            "path": root_path + unquote(path.decode("ascii")),
            "raw_path": root_path.encode("ascii") + path,
            "query_string": query,
            "headers": headers,
            "subprotocols": [each.strip() for each in offered.decode("latin-1").split(",") if each.strip()],
            "state": self._app_state.copy(),
            "extensions": {"websocket.http.response": {}, _EXTENSION: self._take_over},
        }

    async def _run(self, scope: Scope) -> None:
        try:
            await self._config.loaded_app(scope, self._events.get, self._send)
        except Exception:
            if not self._is_gone:  # else the client did not wait for its answer, and that is what failed
                log.exception("a WebSocket could not be opened")
        self._answer(HTTPStatus.INTERNAL_SERVER_ERROR, [], b"Internal Server Error\n")
        if not self._is_handed_over:
            self._transport.close()

    async def _send(self, message: Message) -> None:
        if self._is_gone:
            raise ConnectionError("the client has gone")
        kind = message["type"]
        if kind == "websocket.accept" and not self._is_answered:
            self._is_answered = True
            self._transport.write(self._acceptance(message))
        elif kind == "websocket.close":
            self._answer(HTTPStatus.FORBIDDEN, [], b"")
        elif kind == "websocket.http.response.start":
            self._refusal = (message["status"], list(message.get("headers", [])), [])
        elif kind == "websocket.http.response.body" and self._refusal is not None:
            status, headers, body = self._refusal
            body.append(message.get("body", b""))
            if not message.get("more_body", False):
                self._answer(status, headers, b"".join(body))
        elif not self._is_answered:
            raise RuntimeError(f"{kind} before the socket is accepted")

    def _acceptance(self, message: Message) -> bytes:
        headers = [*self._server_state.default_headers, *message.get("headers", [])]
        if message.get("subprotocol"):
            headers.append((b"Sec-WebSocket-Protocol", message["subprotocol"].encode("ascii")))
        return (
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            + b"\r\n".join((self._accept, *(name + b": " + value for name, value in headers)))
            + b"\r\n\r\n"
        )

    def _answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Refuses, unless there is an answer already."""
        if self._is_answered:
            return
        self._is_answered = True
        given = {name.lower() for name, _ in headers}
        ours = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
        lines = [b"HTTP/1.1 %d %s" % (status, HTTPStatus(status).phrase.encode()), b"Connection: close"]
        lines += [name + b": " + value for name, value in (*self._server_state.default_headers, *headers)]
        lines += [name + b": " + value for name, value in ours if name not in given]
        self._transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + body)
        self._transport.close()

    def _take_over(self, outbox: Outbox) -> Wire:
        if self._is_gone:
            raise WebSocketDisconnect(_ABNORMAL)
        wire = Wire(self._transport, self._connections, outbox)
        self._transport.set_protocol(wire)
        self._connections.discard(self)
        self._is_handed_over = True
        if self._early:
            asyncio.get_running_loop().call_soon(wire.data_received, b"".join(self._early))
            self._transport.resume_reading()
        return wire


async def open_wire(socket: WebSocket, outbox: Outbox, subprotocol: str | None = None) -> Wire:
    """Accepts a WebSocket and takes it over; nothing may be sent or received over ASGI after this.

    Raises RuntimeError under a server that was not started with our options.
    """
    handed: TakeOver | None = socket.scope.get("extensions", {}).get(_EXTENSION)
    if handed is None:
        raise RuntimeError("WebSockets need `app.transport.server.server_options`: start with `curvecast serve`.")
    await socket.accept(subprotocol)
    return handed(outbox)


def _parse(request: bytes) -> tuple[bytes, bytes, Headers]:
    """Method, target and headers of a request that uvicorn has checked and written."""
    first, *lines = request[: request.index(b"\r\n\r\n")].split(b"\r\n")
    method, target, _ = first.split(b" ")
    headers = []
    for line in lines:
        name, _, value = line.partition(b": ")
        headers.append((name, value))
    return method, target, headers


def _is_key(key: bytes) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False
