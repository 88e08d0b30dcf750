"""The limit: a ready frame written to each socket, by a protocol that does nothing else, on the loop that we use.

    python bench/peers/raw_frames.py PORT

Answers a subscription without looking at its document. Every socket gets every event, whole, as the value of `trades`.
"""

import asyncio
import base64
import hashlib
import re
import sys

import uvloop

_ACCEPT = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Protocol: graphql-transport-ws\r\nSec-WebSocket-Accept: %b\r\n\r\n"
)
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"sec-websocket-key: *([^\r]+)", re.IGNORECASE)
_ID = re.compile(rb'"id":("[^"]+"),"type":"subscribe"')
_TAIL_BYTES = len('"00000000-0000-4000-8000-000000000000"}')
"""The load generator's ids are all that long."""


class Raw(asyncio.Protocol):
    def __init__(self, subscribed: "dict[Raw, bytes]") -> None:
        self._subscribed = subscribed
        self._is_open = False
        self._read = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as TCP has it
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._subscribed.pop(self, None)

    def data_received(self, data: bytes) -> None:
        self._read += data
        if not self._is_open:
            self._open()
        # The load generator masks with zeros, and sends one message at a time.
        elif found := _ID.search(self._read):
            self._subscribed[self] = found[1] + b"}"
        elif b"connection_init" in self._read:
            self.transport.write(frame(b'{"type":"connection_ack"}'))
            self._read = b""

    def _open(self) -> None:
        if b"\r\n\r\n" in self._read and (key := _KEY.search(self._read)):
            accepted = base64.b64encode(hashlib.sha1(key[1] + _GUID).digest())
            self.transport.write(_ACCEPT % accepted)
            self._is_open, self._read = True, b""


def frame(text: bytes) -> bytes:
    return head(len(text)) + text


def head(length: int) -> bytes:
    return bytes((0x81, length)) if length < 126 else b"\x81\x7e" + length.to_bytes(2)


async def serve(port: int) -> None:
    subscribed: dict[Raw, bytes] = {}

    async def feed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        rest = b""
        while data := await reader.read(1 << 16):
            *events, rest = (rest + data).split(b"\n")
            for event in events:
                text = b'{"type":"next","payload":{"data":{"trades":' + event + b'}},"id":'
                ready = head(len(text) + _TAIL_BYTES) + text
                for socket, tail in subscribed.items():
                    socket.transport.write(ready + tail)
        writer.close()

    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Raw(subscribed), "127.0.0.1", port, backlog=4096)
    async with server, await asyncio.start_server(feed, "127.0.0.1", port + 1):
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
