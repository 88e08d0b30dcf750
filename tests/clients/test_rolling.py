"""A rolling restart: servers of the next version beside those of the last one, clients with cursors, nothing lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic

import httpx
from chaos.proxy import Streams, serve_proxy
from chaos.subscriber import Subscriber
from clients.standing import MINT, missed, standing_market

CLIENTS = 40
DONE_SECONDS = 10.0
TRADES = "subscription($mint: String!, $after: String) { trades(mintAddress: $mint, after: $after) { id } }"
STATUS = {"query": "{ status { state } }"}


class Balancer:
    """One address for both generations: whoever connects from now on comes to `port`."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def connect(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self.port)


@asynccontextmanager
async def subscribed(host: str) -> AsyncIterator[list[Subscriber]]:
    clients = [Subscriber(host, TRADES, "trades", {"mint": MINT}) for _ in range(CLIENTS)]
    running = [asyncio.create_task(each.run()) for each in clients]
    try:
        yield clients
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def ask(host: str, answers: list[int]) -> None:
    """Queries, one after the other, each on a connection of its own; until cancelled."""
    while True:
        async with httpx.AsyncClient() as http:
            answers.append((await http.post(f"http://{host}/graphql", json=STATUS)).status_code)
        await asyncio.sleep(0.02)


async def all_took(clients: list[Subscriber], sockets: int) -> None:
    """Returns when each has got something new on so many sockets, the newest of them included."""
    while any(each.sockets < sockets for each in clients):
        await asyncio.sleep(0.01)
    before = [len(each.ids) for each in clients]
    while any(len(each.ids) <= so_far for each, so_far in zip(clients, before, strict=True)):
        await asyncio.sleep(0.01)


async def test_clients_and_queries_pass_from_old_workers_to_new_ones_without_a_loss() -> None:
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        market = await stack.enter_async_context(standing_market())
        old = await market.serve("--workers", "2")
        balancer = Balancer(old.port)
        proxy = await stack.enter_async_context(serve_proxy(balancer.connect))
        host, answers = f"127.0.0.1:{proxy.port}", list[int]()
        clients = await stack.enter_async_context(subscribed(host))
        await all_took(clients, 1)
        asking = asyncio.create_task(ask(host, answers))
        new = await market.serve("--workers", "2")
        balancer.port = new.port
        began, exits = monotonic(), asyncio.create_task(old.stop())
        await all_took(clients, 2)
        assert monotonic() - began < DONE_SECONDS
        assert await exits == 0
        asking.cancel()
        await asyncio.wait({asking})
        feed = await market.feed(f"mint = '{MINT}'")
        assert [missed(each.ids, feed) for each in clients] == [""] * CLIENTS
        assert {each.sockets for each in clients} == {2}, "each is told to come again once, and is at home at once"
        assert {tuple(each.refusals) for each in clients} == {()}
        assert {*answers} == {200}
        assert len(answers) > 10
