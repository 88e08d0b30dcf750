"""The opening handshake: uvicorn's own protocol and the ASGI application, until the application takes the socket over.

Middleware, routing and limits see a WebSocket like any other; what holds a socket open afterwards is a `Wire`.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from starlette.websockets import WebSocket
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from app.transport.wire import Shared, Wire

_EXTENSION: Final = "curvecast.wire"
TakeOver: TypeAlias = Callable[[Shared], Wire]


class Handshake(WebSocketsSansIOProtocol):
    """For uvicorn's `ws=`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._early = b""

    async def run_asgi(self) -> None:
        extensions: dict[str, Any] = self.scope["extensions"]
        extensions[_EXTENSION] = self._take_over
        await super().run_asgi()

    def data_received(self, data: bytes) -> None:
        if self.handshake_complete and not self.close_sent:
            self._early += data  # between the answer and the taking over, should a middleware wait there
            self.transport.pause_reading()
        else:
            super().data_received(data)

    def _take_over(self, shared: Shared) -> Wire:
        transport = self.transport
        wire = Wire(transport, self.connections, shared)
        transport.set_protocol(wire)
        self.connections.discard(self)
        self.transport = _HandedOver()
        if self._early:
            asyncio.get_running_loop().call_soon(wire.data_received, self._early)
            transport.resume_reading()
        return wire


class _HandedOver(asyncio.Transport):
    """What uvicorn closes when the application returns, in place of the socket that lives on."""

    def close(self) -> None:
        pass


async def open_wire(socket: WebSocket, shared: Shared, subprotocol: str | None = None) -> Wire:
    """Accepts a WebSocket and takes it over; nothing may be sent or received over ASGI after this.

    Raises RuntimeError under a server that was not started with our options.
    """
    handed: TakeOver | None = socket.scope.get("extensions", {}).get(_EXTENSION)
    if handed is None:
        raise RuntimeError("WebSockets need `app.transport.server.server_options`: start with `curvecast serve`.")
    await socket.accept(subprotocol)
    return handed(shared)
