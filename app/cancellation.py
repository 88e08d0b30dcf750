"""A task that was told to stop stops, even where a library turns the telling into another error or loses it.

Seen: redis-py 8.1 returns normally from about half of the cancelled calls; asyncpg, closing a connection that is busy,
raises QueryCanceledError in place of the cancellation. Whoever tries again after an error asks here first.
"""

import asyncio


def heed() -> None:
    """Raises CancelledError when the current task has been cancelled and has not ended."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
