"""Fetches the document behind a token's URI: within limits of size and time, from public hosts, JSON only."""

import asyncio
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import urljoin, urlsplit

import httpcore2

from indexer.metadata.public import Judge, PublicBackend, Refused, is_public

MAX_BYTES: Final = 256 * 1024
_SECONDS: Final = 10.0
"""For one document from one gateway, redirects and all."""
_REDIRECTS: Final = 3
_CONNECTIONS: Final = 32
_IPFS: Final = re.compile(r"(?:ipfs://(?:ipfs/)?|https?://[^/]+/ipfs/)([A-Za-z0-9]{46,}(?:/[^?#]*)?)")
_TYPES: Final = ("application/json", "text/plain", "application/octet-stream")
"""IPFS gateways guess; what is JSON the reader decides."""
_HEADERS: Final = [
    (b"Accept", b"application/json"),
    # Nothing compressed: a few bytes could become gigabytes.
    (b"Accept-Encoding", b"identity"),
    (b"User-Agent", b"Curvecast"),
]


class Fetcher:
    """A context. `fetch` may be called many times at once; connections are kept for a while."""

    def __init__(self, gateways: Sequence[str], *, judge: Judge = is_public, seconds: float = _SECONDS) -> None:
        self._gateways = [each.rstrip("/") for each in gateways]
        self._seconds = seconds
        # The operator's own gateways may be anywhere; where they redirect to is judged.
        self._own = httpcore2.AsyncConnectionPool(max_connections=_CONNECTIONS)
        backend = PublicBackend(judge)
        self._strange = httpcore2.AsyncConnectionPool(network_backend=backend, max_connections=_CONNECTIONS)

    async def __aenter__(self) -> "Fetcher":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._own.aclose()
        await self._strange.aclose()

    async def fetch(self, uri: str) -> bytes:
        """The document. Raises Refused with the last reason when no place gives it."""
        why = Refused("not an address that can be fetched")
        for place in self._places(uri):
            try:
                async with asyncio.timeout(self._seconds):
                    return await self._follow(*place)
            except Refused as error:
                why = error
            except (TimeoutError, httpcore2.TimeoutException):
                why = Refused(f"no document within {self._seconds:g} s")
            except (httpcore2.NetworkError, httpcore2.ProtocolError, OSError, ValueError) as error:
                why = Refused(f"the connection failed: {type(error).__name__}")
        raise why

    def _places(self, uri: str) -> "list[tuple[str, httpcore2.AsyncConnectionPool]]":
        """Where the document may be: what is on IPFS is at every gateway, ours first."""
        uri = uri.strip()
        found = _IPFS.match(uri)
        own = [(f"{gateway}/ipfs/{found[1]}", self._own) for gateway in self._gateways] if found else []
        return own + ([(uri, self._strange)] if uri.startswith(("http://", "https://")) else [])

    async def _follow(self, url: str, pool: "httpcore2.AsyncConnectionPool") -> bytes:
        for _ in range(_REDIRECTS + 1):
            target, body = await self._get(url, pool)
            if target is None:
                return body
            url, pool = urljoin(url, target), self._strange
        raise Refused("too many redirects")

    async def _get(self, url: str, pool: "httpcore2.AsyncConnectionPool") -> tuple[str | None, bytes]:
        """Where the answer redirects to, or the body. Every request, redirected or not, is checked alike."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise Refused("not an address that can be fetched")
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), self._seconds)
        async with pool.stream("GET", url, headers=_HEADERS, extensions={"timeout": timeout}) as response:
            headers = {name.lower(): value for name, value in response.headers}
            if 300 <= response.status < 400 and b"location" in headers:
                return headers[b"location"].decode("ascii", "strict"), b""
            _check(response.status, headers)
            body = bytearray()
            async for part in response.aiter_stream():
                body += part
                if len(body) > MAX_BYTES:
                    raise Refused(f"longer than {MAX_BYTES} bytes")
            return None, bytes(body)


def _check(status: int, headers: dict[bytes, bytes]) -> None:
    if status != 200:
        raise Refused(f"HTTP {status}")
    kind = headers.get(b"content-type", b"application/json").decode("latin-1").partition(";")[0].strip().lower()
    if kind not in _TYPES and not kind.endswith("+json"):
        raise Refused(f"content of type {kind[:80]}")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise Refused("compressed content")
    length = headers.get(b"content-length", b"0")
    if not length.isdigit() or int(length) > MAX_BYTES:
        raise Refused(f"longer than {MAX_BYTES} bytes")
