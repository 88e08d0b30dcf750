"""The bus between processes: a Redis stream with a bounded length, read many entries a call.

broadcaster's own Redis backends are not used (ARCHITECTURE.md section 4): they lose the first channel, die silently
with a Redis restart, never trim, and read one entry a call. This one reconnects for ever and resumes from the last
entry it has seen; whatever Redis lost meanwhile shows as a hole in the sequences, and the hub repairs it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any

import msgspec
from redis import asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from app.bus import codec
from app.bus.backend import BatchBackend
from app.bus.backoff import Backoff
from app.cancellation import heed
from app.domain.records import Batch
from app.errors import Unavailable

log = logging.getLogger(__name__)

_BLOCK_MILLISECONDS = 1_000
_TIMEOUT_SECONDS = 3.0
"""Longer than a blocking read, so that a half-open connection is noticed and a quiet stream is not."""
_ENTRIES_PER_READ = 128
_START = b"0-0"
_FAILURES = (RedisError, OSError, TimeoutError)


class RedisBackend(BatchBackend):
    """One stream per channel. Reading never fails: it waits for Redis to come back."""

    def __init__(self, url: str, max_batches: int) -> None:
        super().__init__()
        self._url = url
        self._max_batches = max_batches
        self._writer = self._client()
        self._reader = self._client()
        self._positions: dict[str, bytes | None] = {}
        self._subscribed = asyncio.Event()
        self._read: deque[tuple[str, Batch]] = deque()
        self._backoff = Backoff()
        self.is_connected = False

    def _client(self) -> "redis.Redis":
        return redis.Redis.from_url(
            self._url,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )

    async def connect(self) -> None:
        """Raises RedisError or OSError when Redis cannot be reached at all."""
        await _cancellable(self._writer.ping())
        self.is_connected = True

    async def disconnect(self) -> None:
        await self._writer.aclose()
        await self._reader.aclose()

    async def subscribe(self, channel: str) -> None:
        self._positions[channel] = None
        with suppress(*_FAILURES):
            self._positions[channel] = await self._newest(channel)
        self._subscribed.set()

    async def unsubscribe(self, channel: str) -> None:
        self._positions.pop(channel, None)
        if not self._positions:
            self._subscribed.clear()

    async def publish(self, channel: str, message: Batch) -> None:
        """Raises Unavailable when Redis is away: the indexer announces again from where the bus ends."""
        entry: dict[Any, Any] = {b"batch": codec.encode(message), b"last": message.last_sequence}
        try:
            await _cancellable(self._writer.xadd(channel, entry, maxlen=self._max_batches, approximate=True))
        except _FAILURES as error:
            raise Unavailable("Redis is away: the batch was not announced.") from error

    async def _next_batch(self) -> tuple[str, Batch]:
        while not self._read:
            await self._subscribed.wait()
            try:
                await self._read_more()
            except _FAILURES as error:
                await self._wait_for_redis(error)
        return self._read.popleft()

    async def last_sequence(self, channel: str) -> int | None:
        """Newest sequence on the stream; None when it is empty. Raises Unavailable when Redis is away."""
        try:
            entries: Any = await _cancellable(self._writer.xrevrange(channel, count=1))
        except _FAILURES as error:
            raise Unavailable("Redis is away: where the bus ends is not known.") from error
        return int(entries[0][1][b"last"]) if entries else None

    async def _read_more(self) -> None:
        for channel, position in list(self._positions.items()):
            if position is None:
                self._positions[channel] = await self._newest(channel)
        positions: dict[Any, Any] = {c: p for c, p in self._positions.items() if p is not None}
        reading = self._reader.xread(positions, count=_ENTRIES_PER_READ, block=_BLOCK_MILLISECONDS)
        answer: Any = await _cancellable(reading)
        self._connected_again()
        for name, entries in answer or ():
            self._take(name.decode(), entries)
        if not answer:
            await self._rewind()

    def _take(self, channel: str, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
        for entry_id, fields in entries:
            self._positions[channel] = entry_id
            try:
                self._read.append((channel, codec.decode(fields[b"batch"])))
            except (msgspec.DecodeError, KeyError) as error:
                log.warning("bus: unreadable entry skipped", extra={"entry": entry_id, "cause": repr(error)})

    async def _newest(self, channel: str) -> bytes:
        entries: Any = await _cancellable(self._reader.xrevrange(channel, count=1))
        return bytes(entries[0][0]) if entries else _START

    async def _rewind(self) -> None:
        """After FLUSHALL or a restart on another clock new entries may have smaller ids than the last one seen."""
        for channel, position in list(self._positions.items()):
            if position is not None and _order(await self._newest(channel)) < _order(position):
                self._positions[channel] = _START

    def _connected_again(self) -> None:
        if not self.is_connected:
            log.info("bus: Redis is back")
        self.is_connected = True
        self._backoff.reset()

    async def _wait_for_redis(self, error: BaseException) -> None:
        if self.is_connected:
            log.warning("bus: Redis is away; trying again until it is back", extra={"cause": repr(error)})
        self.is_connected = False
        await self._reader.connection_pool.disconnect(inuse_connections=True)
        await asyncio.sleep(self._backoff.next_seconds())


def _order(entry_id: bytes) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition(b"-")
    return int(milliseconds), int(number)


async def _cancellable(call: Awaitable[Any]) -> Any:
    """redis-py 8.1 loses cancellations: here they are told again."""
    answer = await call
    heed()
    return answer
