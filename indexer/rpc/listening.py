"""Keeps listening to logs: through the best node's WebSocket, and through the next one's when it breaks."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec

from app.bus.backoff import Backoff
from app.domain.programs import Commitment
from app.errors import SourceLost
from indexer.rpc.logs_socket import Logged, Ticked, read_logs
from indexer.rpc.pool import Pool

_LOG = logging.getLogger(__name__)
_FAILURES: Final = 3
"""In a row, and at least one of each node, before nobody is said to tell logs."""


class Opened(msgspec.Struct, frozen=True, gc=False):
    """A new connection: what came before the first slot that it tells may be missing."""


Heard = Opened | Logged | Ticked | SourceLost


async def listen(
    pool: Pool,
    programs: Iterable[str],
    commitment: Commitment,
    silence_seconds: float,
    hand_over: Callable[[Heard], Awaitable[None]],
) -> None:
    """Hands over what nodes tell; at last the reason why none does."""
    backoff, failures = Backoff(), 0
    while usable := pool.usable():
        endpoint = usable[failures % len(usable)]
        await hand_over(Opened())
        try:
            async for told in read_logs(endpoint.socket_address, programs, commitment, silence_seconds):
                failures = 0
                await hand_over(told)
        except SourceLost as error:
            why = f"{endpoint.name}: {error}"
        failures += 1
        if failures > max(_FAILURES, len(usable)):
            return await hand_over(SourceLost(f"no node tells logs: {why}"))
        if failures == 1:
            backoff.reset()
            _LOG.warning("logs are interrupted", extra={"cause": why})
        await asyncio.sleep(backoff.next_seconds())
    return await hand_over(SourceLost(pool.why_down()))
