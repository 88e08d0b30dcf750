"""Frames of RFC 6455, read as bytes come: the framing of every open socket, without an object for each of them.

websockets' own object for it keeps 4 KiB a connection (measured with 17.4: protocol, suspended generator, headers),
and a whole subscribed socket may cost 5 here. Its pieces that keep nothing are used: masks, opcodes, close codes.
"""

import codecs
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from websockets.exceptions import ProtocolError
from websockets.frames import Close, CloseCode, Opcode
from websockets.utils import apply_mask

_FIN: Final = 0x80
_RESERVED: Final = 0x70
_OPCODE: Final = 0x0F
_CONTROL: Final = 0x08
_MASKED: Final = 0x80
_LENGTH: Final = 0x7F
_MAX_CONTROL: Final = 125
_MASK_BYTES: Final = 4
_new_decoder = codecs.getincrementaldecoder("utf-8")


class Broken(Exception):
    """What came is no WebSocket, or more than is taken: the connection has to fail with `code`."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Text(NamedTuple):
    """A whole text message."""

    text: str


class Binary(NamedTuple):
    """A whole binary message."""

    data: bytes


class Control(NamedTuple):
    """A ping or a pong."""

    opcode: Opcode
    data: bytes


Event = Text | Binary | Control | Close


def frame(opcode: Opcode, payload: bytes) -> bytes:
    """A whole frame as a server sends it."""
    return head(opcode, len(payload)) + payload


def head(opcode: Opcode, length: int) -> bytes:
    """What stands before a payload of `length` bytes: unmasked, final."""
    first = _FIN | opcode
    if length <= _MAX_CONTROL:
        return bytes((first, length))
    if length < 1 << 16:
        return struct.pack("!BBH", first, 126, length)
    return struct.pack("!BBQ", first, 127, length)


class Reader:
    """What is incomplete of a client's bytes: a frame, or a message of several. Needed only while it is not `is_idle`.

    Text is checked as it comes, so that a message which cannot become UTF-8 fails at the byte that spoils it.
    """

    __slots__ = ("_decoder", "_is_final", "_is_text", "_left", "_limit", "_mask", "_message", "_opcode", "_rest")

    def __init__(self, limit: int) -> None:
        """Takes messages of at most `limit` bytes."""
        self._limit = limit
        self._rest = b""
        # the frame that is being read
        self._left: int | None = None
        self._opcode = Opcode.CONT
        self._is_final = False
        self._mask = b""
        # the message that it belongs to
        self._message: bytearray | None = None
        self._is_text = False
        self._decoder: codecs.IncrementalDecoder | None = None

    @property
    def is_idle(self) -> bool:
        """Whether everything that came is complete."""
        return self._left is None and self._message is None and not self._rest

    def feed(self, data: bytes) -> Iterator[Event]:
        """What `data` completes. Raises Broken; nothing may be fed after that."""
        data, at = self._rest + data, 0
        self._rest = b""
        while True:
            if self._left is None:
                size = _head_size(data, at)
                if size is None or len(data) < at + size:
                    break
                self._begin(data[at : at + size])
                at += size
            if self._opcode & _CONTROL and len(data) - at < self._expected:
                break  # a control frame is small: all of it, or nothing yet
            chunk = data[at : at + self._expected]
            at += len(chunk)
            event = self._take(chunk)
            if event is not None:
                yield event
            if self._left is not None:
                break
        self._rest = data[at:]

    @property
    def _expected(self) -> int:
        return self._left or 0

    def _begin(self, head: bytes) -> None:
        self._is_final = bool(head[0] & _FIN)
        self._opcode = _opcode(head)
        length = head[1] & _LENGTH
        if length > _MAX_CONTROL:
            length = int.from_bytes(head[2:-_MASK_BYTES])
        if self._opcode & _CONTROL:
            self._check_control(length)
        else:
            self._check_data(length)
        self._mask = head[-_MASK_BYTES:]
        self._left = length

    def _check_control(self, length: int) -> None:
        if length > _MAX_CONTROL:
            raise _wrong("a control frame holds at most 125 bytes")
        if not self._is_final:
            raise _wrong("a control frame may not be fragmented")

    def _check_data(self, length: int) -> None:
        if (self._opcode is Opcode.CONT) is (self._message is None):
            raise _wrong("a frame does not go on where the last one ended")
        if self._message is None:
            self._message = bytearray()
            self._is_text = self._opcode is Opcode.TEXT
        if len(self._message) + length > self._limit:
            raise Broken(CloseCode.MESSAGE_TOO_BIG, f"Limit exceeded: frame, at most {self._limit:,} bytes")

    def _take(self, chunk: bytes) -> Event | None:
        """The event that `chunk`, of the frame that is being read, completes."""
        payload = apply_mask(chunk, self._mask)
        turned = len(chunk) % _MASK_BYTES
        self._mask = self._mask[turned:] + self._mask[:turned]
        left = self._expected - len(chunk)
        self._left = left or None
        if self._opcode & _CONTROL:
            return _control(self._opcode, payload)
        return self._add(payload, is_last=self._is_final and not left)

    def _add(self, payload: bytes, *, is_last: bool) -> Event | None:
        message = self._message
        assert message is not None
        if is_last and not message:
            self._message = None  # by far the most: one frame, all here
            return Text(_utf8(payload)) if self._is_text else Binary(payload)
        message += payload
        if self._is_text:
            self._check_text(payload, is_last=is_last)
        if not is_last:
            return None
        self._message = self._decoder = None
        return Text(message.decode()) if self._is_text else Binary(bytes(message))

    def _check_text(self, payload: bytes, *, is_last: bool) -> None:
        if self._decoder is None:
            self._decoder = _new_decoder()
        try:
            self._decoder.decode(payload, is_last)
        except UnicodeDecodeError:
            raise _not_utf8() from None


def _head_size(data: bytes, at: int) -> int | None:
    """Bytes of the head that begins there, mask included; None while its second byte is missing.

    Raises Broken for the first byte as soon as it is there.
    """
    if len(data) <= at:
        return None
    _opcode(data[at : at + 2])
    if len(data) < at + 2:
        return None
    return 2 + {126: 2, 127: 8}.get(data[at + 1] & _LENGTH, 0) + _MASK_BYTES


def _opcode(head: bytes) -> Opcode:
    if head[0] & _RESERVED:
        raise _wrong("reserved bits are set, and no extension was agreed on")
    try:
        opcode = Opcode(head[0] & _OPCODE)
    except ValueError:
        raise _wrong("an unknown opcode") from None
    if len(head) > 1 and not head[1] & _MASKED:
        raise _wrong("a client has to mask its frames")
    return opcode


def _control(opcode: Opcode, payload: bytes) -> Event:
    if opcode is not Opcode.CLOSE:
        return Control(opcode, payload)
    try:
        return Close.parse(payload)
    except ProtocolError:
        raise _wrong("a close frame without a code that may be sent") from None
    except UnicodeDecodeError:
        raise _not_utf8() from None


def _utf8(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise _not_utf8() from None


def _wrong(why: str) -> Broken:
    return Broken(CloseCode.PROTOCOL_ERROR, f"Protocol error: {why}")


def _not_utf8() -> Broken:
    return Broken(CloseCode.INVALID_DATA, "Text must be UTF-8")
