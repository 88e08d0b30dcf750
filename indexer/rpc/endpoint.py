"""One Solana node over HTTP: sends a request, reads the answer, and keeps account of how that went.

Requests go out through solana-py's HTTP provider. Messages name a node by its host only: addresses hold API keys.
"""

import asyncio
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple, TypeVar
from urllib.parse import SplitResult, urlsplit

import httpx2
from solana.rpc.async_http_provider import AsyncHTTPProvider

from app.errors import StartupError
from indexer.rpc.answers import ANSWERS, Malformed, RpcError
from indexer.rpc.health import Health

T = TypeVar("T")
_HEADERS: Final = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
_GZIP: Final = 16 + zlib.MAX_WBITS
_LARGE_BYTES: Final = 64 * 1024
"""Packed: unpacking a block takes 20 ms, in which a thread lets the others go on."""
_STALE: Final = (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError)
"""What becomes of a request on a connection that the node closed as idle at that moment: it is sent once more."""
_CONNECTIONS: Final = 32
_REFUSED_SECONDS: Final = 30.0
"""A key that was refused will be refused again: no need to knock often."""
_LONGEST_REST_SECONDS: Final = 300.0
"""Whatever Retry-After says."""


class EndpointFailed(Exception):
    """The node did not serve the request; its health says why. Another one may."""


class _Reply(NamedTuple):
    status: int
    headers: httpx2.Headers
    body: bytes
    """As it came."""


class Endpoint:
    """A node by its setting, `http://…` or `http://…|ws://…`. StartupError when that is no address."""

    def __init__(self, setting: str) -> None:
        address, _, socket = (part.strip() for part in setting.partition("|"))
        url = _read_url(address, ("http", "https"))
        self._address = address
        self._provider: AsyncHTTPProvider | None = None
        self.name = url.netloc.rpartition("@")[2]
        """Host and port: all of the address that is no secret."""
        self.socket_address = _read_url(socket, ("ws", "wss")).geturl() if socket else _socket_of(url)
        self.health = Health()
        self.slot = 0
        """Newest slot that it told of; 0 before."""
        self.genesis: str | None = None

    async def ask(self, request: str, read: Callable[[bytes], T], seconds: float, *, is_measured: bool = False) -> T:
        """What `read` makes of the answer. Raises EndpointFailed, or RpcError where an error is the answer."""
        started = self.health.started()
        try:
            answer = read(await self._send(request, seconds, started))
        except RpcError as error:
            if error.number not in ANSWERS:
                raise self._failed(started, str(error)) from None
            self.health.succeeded(started)
            raise
        except Malformed as error:
            raise self._failed(started, str(error)) from None
        except asyncio.CancelledError:
            self.health.given_up()
            raise
        self.health.succeeded(started, is_measured=is_measured)
        return answer

    async def close(self) -> None:
        """Closes its connections; the next request opens new ones. Another node may answer there then."""
        self.genesis = None
        provider, self._provider = self._provider, None
        if provider is not None:
            await provider.close()

    async def _post(self, request: str, seconds: float) -> _Reply:
        if self._provider is None:
            # HTTP/1.1: Python's HTTP/2 takes several times the CPU for bodies of many megabytes.
            self._provider = AsyncHTTPProvider(self._address, max_connections=_CONNECTIONS, http2=False)
        session = self._provider.session
        async with session.stream("POST", self._address, content=request, headers=_HEADERS, timeout=seconds) as reply:
            return _Reply(reply.status_code, reply.headers, b"".join([part async for part in reply.aiter_raw()]))

    async def _send(self, request: str, seconds: float, started: float) -> bytes:
        try:
            async with asyncio.timeout(seconds):
                try:
                    reply = await self._post(request, seconds)
                except _STALE:
                    reply = await self._post(request, seconds)
                if reply.status == httpx2.codes.OK:
                    return await _unpacked(reply)
        except zlib.error:
            raise self._failed(started, "an answer that cannot be unpacked") from None
        except (TimeoutError, httpx2.TimeoutException):
            raise self._failed(started, f"no answer within {seconds:g} s") from None
        except httpx2.ConnectError:
            raise self._failed(started, "cannot be reached") from None
        except httpx2.HTTPError:
            raise self._failed(started, "the connection broke") from None
        raise self._failed(started, *_refusal(reply))

    def _failed(self, started: float, why: str, rest_seconds: float | None = None) -> EndpointFailed:
        self.health.failed(started, why, rest_seconds)
        return EndpointFailed(f"{self.name}: {why}")


async def _unpacked(reply: _Reply) -> bytes:
    """Raises zlib.error where it is not packed as was asked for."""
    if reply.headers.get("content-encoding", "identity") == "identity":
        return reply.body
    if len(reply.body) < _LARGE_BYTES:
        return zlib.decompress(reply.body, _GZIP)
    return await asyncio.to_thread(zlib.decompress, reply.body, _GZIP)


def _refusal(reply: _Reply) -> tuple[str, float | None]:
    """Why, and for how long the node wants to be left alone where that is known."""
    status = reply.status
    if status in (httpx2.codes.UNAUTHORIZED, httpx2.codes.FORBIDDEN):
        return f"refuses the key or the address (HTTP {status})", _REFUSED_SECONDS
    if status in (httpx2.codes.TOO_MANY_REQUESTS, httpx2.codes.SERVICE_UNAVAILABLE):
        why = "too many requests" if status == httpx2.codes.TOO_MANY_REQUESTS else "not available"
        return f"{why} (HTTP {status})", retry_after(reply.headers.get("retry-after"))
    return f"HTTP {status}", None


def retry_after(header: str | None) -> float | None:
    """Seconds from a Retry-After header, of either form; None when there is none that can be read."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(header) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), _LONGEST_REST_SECONDS)


def _read_url(text: str, schemes: tuple[str, str]) -> SplitResult:
    try:
        url = urlsplit(text)
        if url.scheme in schemes and url.hostname and (url.port is None or url.port):
            return url
    except ValueError:
        pass  # said below: the text itself may hold a key
    raise StartupError(
        "CURVECAST_RPC_URLS holds what is no node's address: give http://host:port or https://…, several separated"
        " by commas, each followed by |ws://… where its WebSocket is not where nodes have it."
    )


def _socket_of(url: SplitResult) -> str:
    """Where a node's WebSocket is: at the port after the validator's own 8899, else at the same address."""
    host = url.netloc.removesuffix("8899") + "8900" if url.port == 8899 else url.netloc
    return url._replace(scheme="wss" if url.scheme == "https" else "ws", netloc=host).geturl()
