"""One open WebSocket: bytes in, messages out, without a task, a queue or an ASGI scope. The opening is `handshake`'s.

The first write to a socket in a turn of the loop goes out at once; what follows in the same turn is joined and goes out
when the turn ends. So one event costs one call of the kernel and nothing else, and many cost two: see `Outbox`.
"""

import asyncio
from enum import Enum, auto
from typing import Any, Final

from websockets.frames import Close, CloseCode, Opcode

from app.transport.frames import Binary, Broken, Control, Event, Reader, Text, frame
from app.transport.outbox import Outbox
from app.transport.talk import Listener

HIGH_WATER: Final = 64 * 1024
"""Bytes that a socket may have unsent before it is full; the kernel holds more beside them."""
_LOW_WATER: Final = 16 * 1024
_MAX_UNREAD: Final = 4 * HIGH_WATER
"""Bytes of answers to what a client asks while it is full. One that goes on asking without reading is let go here."""
_REASON_BYTES: Final = 123
"""RFC 6455: a close frame holds 125 bytes, two of them the code."""
_FULL_SECONDS: Final = 20.0
_CLOSE_SECONDS: Final = 3.0
_PING: Final = frame(Opcode.PING, b"")
_SLOW: Final = "Slow consumer: the socket was not read in time"


class _State(Enum):
    OPEN = auto()
    CLOSING = auto()
    """A close frame was sent."""
    FAILED = auto()
    """The same, and what the client still sends cannot be read."""


class Wire(asyncio.Protocol):
    """The protocol object of a socket after its opening handshake."""

    __slots__ = (
        *("_connections", "_is_heard", "_listener", "_outbox", "_pending", "_pending_bytes", "_reader", "_round"),
        *("_state", "_unread", "is_full", "transport", "turn"),
    )

    def __init__(self, transport: asyncio.Transport, connections: set[Any], outbox: Outbox) -> None:
        """`connections` is what uvicorn goes through when it shuts down."""
        self.transport = transport
        """`WsRoad` writes here itself, first in a turn."""
        self.turn = -1
        """In which something was written last."""
        self._pending: list[bytes] | None = None
        self._pending_bytes = 0
        self._unread = 0
        self._connections = connections
        self._outbox = outbox
        self._listener: Listener | None = None
        self._reader: Reader | None = None
        self._state = _State.OPEN
        self._is_heard = True
        self.is_full = False
        """Whether the client has more unread than it should."""
        connections.add(self)
        self._round = outbox.watch.add(self)
        transport.set_write_buffer_limits(HIGH_WATER, _LOW_WATER)

    def attach(self, listener: Listener) -> None:
        """Everything that comes goes to `listener` from now on."""
        self._listener = listener

    # ---------------------------------------------------------------- writing

    def send(self, frames: bytes) -> None:
        """Whole frames. Nothing happens once the wire is closing."""
        if self._state is not _State.OPEN:
            return
        if self.is_full and self._has_enough(len(frames)):
            self.close(CloseCode.TRY_AGAIN_LATER, _SLOW)
            return
        turn = self._outbox.begin()
        if self.turn == turn:
            self.queue(frames)
        else:
            self.turn = turn
            self.transport.write(frames)

    def _has_enough(self, more: int) -> bool:
        """Whether this client goes on asking, and has not read the answers to what it asked while it was full."""
        self._unread += more
        return self._unread > _MAX_UNREAD

    def queue(self, frames: bytes) -> None:
        """Whole frames, after those that were written in this turn; for now, or until there are too many."""
        if self._pending is None:
            self._pending = []
            self._pending_bytes = 0
            self._outbox.queued.append(self)
        self._pending.append(frames)
        self._pending_bytes += len(frames)
        if self._pending_bytes > HIGH_WATER:
            self.flush()

    def flush(self) -> None:
        """Hands what is pending to the transport in one write. `is_full` tells the truth afterwards."""
        if self._pending is not None:
            data = b"".join(self._pending)
            self._pending = None
            self.transport.write(data)

    def pause_writing(self) -> None:
        self.is_full = True
        if self._state is _State.OPEN:
            self.expect(_FULL_SECONDS)

    def resume_writing(self) -> None:
        self.is_full = False
        self._unread = 0
        self._is_heard = True  # it reads: its answer to a ping may be behind what it has still to read
        if self._state is _State.OPEN and self._listener is not None:
            self.came()
            self._listener.on_room()

    # ---------------------------------------------------------------- reading

    def data_received(self, data: bytes) -> None:
        self._is_heard = True
        if self._state is _State.FAILED:
            return
        reader = self._reader or Reader(self._outbox.max_message_bytes)
        try:
            for event in reader.feed(data):
                if isinstance(event, Close):
                    self._on_close(event)
                    return
                self._on(event)
        except Broken as broken:
            self._fail(broken)
            return
        self._reader = None if reader.is_idle else reader

    def _on(self, event: Event) -> None:
        if self._state is not _State.OPEN or self._listener is None:
            pass  # the client had not heard yet that this is over
        elif isinstance(event, Text):
            self._listener.on_text(event.text)
        elif isinstance(event, Binary):
            self._listener.on_binary(event.data)
        elif isinstance(event, Control) and event.opcode is Opcode.PING:
            self.send(frame(Opcode.PONG, event.data))

    def _on_close(self, close: Close) -> None:
        if self._state is _State.OPEN:
            self._say_close(b"" if close.code == CloseCode.NO_STATUS_RCVD else close.code.to_bytes(2))
        self.transport.close()

    # ---------------------------------------------------------------- time

    def expect(self, seconds: float) -> None:
        """The listener's `on_late` is called after that time unless `came` is."""
        self._outbox.watch.expect(self, seconds)

    def came(self) -> None:
        """What was expected has come."""
        self._outbox.watch.came(self)

    def keep_alive(self) -> None:
        if self._state is not _State.OPEN:
            return
        if not self._is_heard:
            self.close(CloseCode.TRY_AGAIN_LATER, "Keepalive: a ping was not answered in time")
            return
        self._is_heard = False
        self.send(_PING)

    def is_late(self) -> None:
        if self._state is not _State.OPEN:
            self.transport.abort()
        elif self._listener is None:
            pass
        elif not self.is_full:
            self._listener.on_late()
        elif self._listener.on_stuck():
            self.expect(_FULL_SECONDS)
        else:
            self.close(CloseCode.TRY_AGAIN_LATER, _SLOW)

    # ---------------------------------------------------------------- ending

    def close(self, code: int, reason: str) -> None:
        """Begins the closing handshake; a reason that is too long is cut. Twice is once."""
        if self._state is _State.OPEN:
            self._outbox.closes.add(str(int(code)))
            self._say_close(Close(code, _cut(reason)).serialize())

    def shutdown(self) -> None:
        """Called by uvicorn."""
        if self._listener is not None:
            self._listener.on_restart()

    def connection_lost(self, exc: Exception | None) -> None:
        self._state = _State.FAILED
        self._end()
        self._outbox.watch.remove(self, self._round)
        self._connections.discard(self)

    def _say_close(self, payload: bytes) -> None:
        self.flush()
        self._state = _State.CLOSING
        self.transport.write(frame(Opcode.CLOSE, payload))
        self.expect(_CLOSE_SECONDS)
        self._end()

    def _fail(self, broken: Broken) -> None:
        """Tells why, and passes over what still comes: closing with bytes unread would reset the connection, and the
        client might never see the code."""
        self.close(broken.code, broken.reason)
        self._state = _State.FAILED
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _end(self) -> None:
        listener, self._listener = self._listener, None
        self._reader = self._pending = None
        if listener is not None:
            listener.on_end()


def _cut(reason: str) -> str:
    return reason.encode()[:_REASON_BYTES].decode(errors="ignore")
