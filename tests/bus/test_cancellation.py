"""Whoever uses the bus can be stopped: redis-py 8.1 swallows cancellations, the backend tells them again."""

import asyncio

import pytest
from servers import RedisServer

from app.bus.feed import Bus

ROUNDS = 20
SECONDS = 5


@pytest.mark.parametrize("turns", range(6))
async def test_a_task_that_is_cancelled_while_it_asks_redis_ends(turns: int, redis_server: RedisServer) -> None:
    bus = Bus(redis_server.url)
    await bus.connect()

    async def ask_for_ever() -> None:
        while True:
            await bus.last_sequence()

    for _ in range(ROUNDS):
        task = asyncio.create_task(ask_for_ever())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        async with asyncio.timeout(SECONDS):
            await asyncio.wait({task})
        assert task.cancelled()
    await bus.disconnect()
