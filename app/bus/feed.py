"""The bus as the rest sees it: the indexer publishes committed batches, each API process reads them once."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from broadcaster import Broadcast
from redis.exceptions import RedisError

from app.bus.memory import MemoryBackend
from app.bus.redis import RedisBackend
from app.bus.topics import FEED
from app.domain.records import Batch
from app.errors import StartupError


class Bus:
    """`memory://` inside one process, or `redis://host:port/db` between processes.

    It is a fast copy of the feed's tail and may lose messages: who reads it must check `Batch.previous_sequence`.
    """

    def __init__(self, url: str, max_batches: int = 10_000) -> None:
        self._url = url
        self._backend = _backend(url, max_batches)
        self._broadcast = Broadcast(backend=self._backend)

    @property
    def is_connected(self) -> bool:
        """False while Redis is away; readers then live from Postgres."""
        return self._backend.is_connected

    async def connect(self) -> None:
        """Raises StartupError when Redis cannot be reached."""
        try:
            await self._broadcast.connect()
        except (RedisError, OSError, TimeoutError) as error:
            parts = urlsplit(self._url)
            where = f"{parts.hostname}:{parts.port or 6379}"
            raise StartupError(
                f"Redis at {where} cannot be reached: start it or correct CURVECAST_REDIS_URL."
            ) from error

    async def disconnect(self) -> None:
        await self._broadcast.disconnect()

    async def publish(self, batch: Batch) -> None:
        """Announces a committed batch. Raises Unavailable when it may not have come through: announce it again."""
        await self._broadcast.publish(FEED, batch)

    async def last_sequence(self) -> int | None:
        """Newest announced sequence; None when the bus is empty. Raises Unavailable when it cannot be asked."""
        return await self._backend.last_sequence(FEED)

    async def batches(self) -> AsyncIterator[Batch]:
        """Every batch published from now on. One consumer a process: the hub."""
        async with self._broadcast.subscribe(FEED) as subscriber:
            while True:
                batch: Any = (await subscriber.get()).message
                self._backend.taken()
                yield batch


def _backend(url: str, max_batches: int) -> MemoryBackend | RedisBackend:
    scheme = urlsplit(url).scheme
    if scheme == "memory":
        return MemoryBackend(max_batches)
    if scheme in ("redis", "rediss"):
        return RedisBackend(url, max_batches)
    raise StartupError(f"CURVECAST_REDIS_URL starts with {scheme}://: use redis://host:port/db, or memory://.")
