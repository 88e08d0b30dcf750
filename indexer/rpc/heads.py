"""The chain's newest slots, as nodes tell them over WebSocket; where none does, whoever waits asks by itself."""

import asyncio
import logging
import time
from contextlib import suppress
from typing import Final

from solana.rpc.websocket_api import OverflowPolicy, SolanaWsClient
from solders.rpc.responses import RootNotification, SlotNotification

from app.bus.backoff import Backoff
from app.domain.health import DEGRADED, OK
from indexer.rpc.pool import Pool

_LOG = logging.getLogger(__name__)
SILENCE_SECONDS: Final = 10.0
"""Solana makes a slot every 0.4 s: a WebSocket without any for so long is dead, whatever TCP says."""
_OPEN_SECONDS: Final = 5.0
_CLOSE_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 0.4
_LIVE_POLL_SECONDS: Final = 1.0
"""Beside a WebSocket that speaks: a confirmation that comes between two slots is not left waiting."""


class Heads:
    """Follows slots and roots through one WebSocket at a time, of the best node first. A context."""

    def __init__(self, pool: Pool, *, silence_seconds: float = SILENCE_SECONDS) -> None:
        self.tip = 0
        """Newest slot of any commitment; 0 before one was told."""
        self.root = 0
        """Newest finalized slot; 0 before one was told."""
        self._pool = pool
        self.silence_seconds = silence_seconds
        self._heard_at = float("-inf")
        self._moved = asyncio.Event()
        self._from: str | None = None
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Heads":
        self._running = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *raised: object) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    @property
    def is_live(self) -> bool:
        """Whether slots are being told just now."""
        return time.monotonic() - self._heard_at < _LIVE_POLL_SECONDS

    async def moved(self) -> None:
        """Returns when a slot was told since the last call, or when it is time to ask."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LIVE_POLL_SECONDS if self.is_live else _POLL_SECONDS):
                await self._moved.wait()
        self._moved.clear()

    def component(self) -> tuple[str, str, str]:
        """(name, state, detail), as of the pool's."""
        if self.is_live:
            return "rpc slots", OK, f"told by {self._from}"
        return "rpc slots", DEGRADED, "no WebSocket tells them: asked for every 0.4 s"

    async def _run(self) -> None:
        backoff, turn = Backoff(), 0
        while True:
            usable = self._pool.usable()
            if usable:
                endpoint = usable[turn % len(usable)]
                self._from = endpoint.name
                began = self._heard_at
                try:
                    await self._listen(endpoint.socket_address)
                except Exception as error:  # whatever it is, it is polled meanwhile
                    cause = {"node": endpoint.name, "cause": type(error).__name__}
                    _LOG.log(logging.WARNING if turn == 0 else logging.DEBUG, "no slots over WebSocket", extra=cause)
                turn += 1
                if self._heard_at > began:
                    backoff.reset()
                    turn = 0
            await asyncio.sleep(backoff.next_seconds())

    async def _listen(self, address: str) -> None:
        """Takes notifications until the connection breaks or is silent: always raises."""
        client = SolanaWsClient(
            address,
            request_timeout=_OPEN_SECONDS,
            overflow=OverflowPolicy.DROP_OLDEST,
            open_timeout=_OPEN_SECONDS,
            close_timeout=_CLOSE_SECONDS,
        )
        async with client:
            await client.slot_subscribe()
            await client.root_subscribe()
            while True:
                async with asyncio.timeout(self.silence_seconds):
                    told = await client.recv()
                if isinstance(told, SlotNotification):
                    self.tip = max(self.tip, told.result.slot)
                elif isinstance(told, RootNotification):
                    self.root = max(self.root, told.result)
                self._heard_at = time.monotonic()
                self._moved.set()
