"""One WebSocket of a node that tells the logs of our programs' transactions, and every slot as a heartbeat.

Own reading of the notifications: solana-py's stops the stream at an error of a transaction that it does not know.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from app.domain.programs import Commitment
from app.errors import SourceLost
from indexer.rpc.heads import SILENCE_SECONDS

_OPEN_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 1.0
_MAX_BYTES: Final = 4 * 1024 * 1024
_LAST: Final = "slotSubscribe"


class Logged(msgspec.Struct, frozen=True, gc=False):
    """A transaction that mentions a program, as its logs tell it."""

    slot: int
    signature: str
    logs: tuple[str, ...]
    failed: bool


class Ticked(msgspec.Struct, frozen=True, gc=False):
    """A slot has begun."""

    slot: int


class _Value(msgspec.Struct, gc=False):
    signature: str
    logs: tuple[str, ...] | None = None
    err: msgspec.Raw = msgspec.Raw(b"null")


class _Context(msgspec.Struct, gc=False):
    slot: int


class _Result(msgspec.Struct, gc=False):
    context: _Context | None = None
    value: _Value | None = None
    slot: int | None = None


class _Params(msgspec.Struct, gc=False):
    result: _Result


class _Message(msgspec.Struct, gc=False):
    params: _Params | None = None
    id: int | None = None
    error: msgspec.Raw | None = None


_MESSAGE: Final = msgspec.json.Decoder(_Message)


async def read_logs(
    address: str, programs: Iterable[str], commitment: Commitment, silence_seconds: float = SILENCE_SECONDS
) -> AsyncIterator[Logged | Ticked]:
    """Subscribes and hands over what is told, without an end.

    Raises SourceLost, saying why: it cannot be reached, refuses, breaks, is silent, or tells what is no notification.
    """
    try:
        async with connect(
            address, open_timeout=_OPEN_SECONDS, close_timeout=_CLOSE_SECONDS, max_size=_MAX_BYTES
        ) as socket:
            await _subscribe(socket, programs, commitment)
            while True:
                async with asyncio.timeout(silence_seconds):
                    told = _read(await socket.recv(decode=False))
                if told is not None:
                    yield told
    except TimeoutError:
        raise SourceLost("no word over WebSocket") from None
    except ValueError:
        raise SourceLost("its WebSocket tells what is no notification") from None
    except (OSError, WebSocketException) as error:
        raise SourceLost(f"its WebSocket broke ({type(error).__name__})") from None


async def _subscribe(socket: ClientConnection, programs: Iterable[str], commitment: Commitment) -> None:
    """Asks for everything; answers come between notifications, a refusal raises in `_read`."""
    level = {"commitment": commitment.name.lower()}
    asked = [("logsSubscribe", [{"mentions": [program]}, level]) for program in programs]
    for number, (method, params) in enumerate([*asked, (_LAST, [])]):
        await socket.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))


def _read(message: bytes | str) -> Logged | Ticked | None:
    told = _MESSAGE.decode(message)
    if told.error is not None:
        raise SourceLost("refuses a subscription")
    result = told.params.result if told.params else None
    if result is None:
        return None
    if result.slot is not None:
        return Ticked(result.slot)
    if result.context is None or result.value is None:
        return None
    value = result.value
    return Logged(result.context.slot, value.signature, value.logs or (), bytes(value.err) != b"null")
