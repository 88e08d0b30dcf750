"""An echo over our WebSocket protocol class, and a client that sends any bytes and sees every frame that comes back."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from websockets.frames import Opcode
from websockets.utils import apply_mask

from app.metrics import Count
from app.transport.frames import frame
from app.transport.handshake import open_wire
from app.transport.outbox import Outbox
from app.transport.talk import Listener
from app.transport.wire import Wire

SECONDS = 10.0
MASK = b"\x37\xfa\x21\x3d"
LIMIT = 4 * 1024 * 1024


class Echo(Listener):
    """Sends back what comes, and notes what else the wire tells."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.told: list[str] = []
        wire.attach(self)

    def on_text(self, text: str) -> None:
        self.wire.send(frame(Opcode.TEXT, text.encode()))

    def on_binary(self, data: bytes) -> None:
        self.wire.send(frame(Opcode.BINARY, data))

    def on_room(self) -> None:
        self.told.append("room")

    def on_stuck(self) -> bool:
        self.told.append("stuck")
        return False

    def on_late(self) -> None:
        self.told.append("late")

    def on_restart(self) -> None:
        self.wire.close(1012, "Service restart")

    def on_end(self) -> None:
        self.told.append("end")


def echo_app(listeners: list[Echo] | None = None, *, keepalive: float = 20.0, limit: int = LIMIT) -> Starlette:
    """Each socket that opens is added to `listeners`."""
    outbox = Outbox(limit, Count("closes", "Closes.", "code"), keepalive)

    class Endpoint:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            listener = Echo(await open_wire(WebSocket(scope, receive, send), outbox))
            if listeners is not None:
                listeners.append(listener)

    return Starlette(routes=[WebSocketRoute("/", Endpoint())])


class Frame(NamedTuple):
    opcode: int
    payload: bytes


def sent(opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes | None = MASK) -> bytes:
    """A frame as a client sends it; or as it must not."""
    first = (fin << 7) | (rsv << 4) | opcode
    masked = 0x80 if mask is not None else 0
    size = len(payload)
    if size < 126:
        head = bytes((first, masked | size))
    elif size < 1 << 16:
        head = struct.pack("!BBH", first, masked | 126, size)
    else:
        head = struct.pack("!BBQ", first, masked | 127, size)
    return head + (mask + apply_mask(payload, mask) if mask is not None else payload)


def close(code: int | None = 1000, reason: bytes = b"") -> bytes:
    """A close frame of a client."""
    return sent(8, b"" if code is None else code.to_bytes(2) + reason)


class RawClient:
    """Bytes out, frames in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, pieces: Iterable[bytes]) -> None:
        """One write for each piece; what the server does not want any more is not sent."""
        with suppress(ConnectionError):
            for piece in pieces:
                self.writer.write(piece)
                await self.writer.drain()

    async def frame(self) -> Frame | None:
        """The next frame; None at the end."""
        async with asyncio.timeout(SECONDS):
            try:
                first, second = await self.reader.readexactly(2)
                assert not second & 0x80, "a server does not mask"
                size = second & 0x7F
                if size > 125:
                    size = int.from_bytes(await self.reader.readexactly({126: 2, 127: 8}[size]))
                assert first & 0x80, "the echo is not fragmented"
                return Frame(first & 0x0F, await self.reader.readexactly(size))
            except (asyncio.IncompleteReadError, ConnectionError):
                return None

    async def frames(self) -> Sequence[Frame]:
        """All until the server ends the connection."""
        found = []
        while (each := await self.frame()) is not None:
            found.append(each)
        return found


@asynccontextmanager
async def raw_client(host: str, path: str = "/") -> AsyncIterator[RawClient]:
    """A connection after its opening handshake. What it does not read soon fills its small buffers."""
    address, port = host.split(":")
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
    connection.setblocking(False)
    await asyncio.get_running_loop().sock_connect(connection, (address, int(port)))
    reader, writer = await asyncio.open_connection(sock=connection)
    writer.write(
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
    )
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 "), answer
    assert b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=" in answer.lower()
    try:
        yield RawClient(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
