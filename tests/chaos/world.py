"""The real processes of one scenario, a proxy between each pair of them, and how to kill and start each again."""

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
from chaos.market import QUIET_SLOTS, Market
from chaos.proxy import Proxy, Streams, serve_proxy
from running import Running, start
from servers import RedisServer, open_folder, redis, url_of_database

from app.domain.programs import Commitment
from app.store.embedded import EmbeddedPostgres
from app.store.embedded_home import data_folder
from node.serving import Node, serve_node

LIMIT_SECONDS = 60.0
"""Whatever takes longer has failed."""
FRESH_SECONDS = 0.25
"""Less than a slot of mainnet: who is that close follows the chain live."""
SOL_USD = "150.25"
_POLL_SECONDS = 0.02


@dataclass
class Links:
    """The proxies: between the indexer and everything that it talks to, and between the API and its servers."""

    nodes: list[Proxy]
    postgres: Proxy
    redis: Proxy
    api_postgres: Proxy
    api_redis: Proxy


@dataclass
class World:
    """Everything that runs."""

    folder: Path
    market: Market
    nodes: list[Node]
    postgres: EmbeddedPostgres
    redis: RedisServer
    links: Links
    indexers: list[Running] = field(default_factory=list)
    """The first one writes, the others wait for it to end."""
    api: Running | None = None
    first_slot: int = 0
    """From here on everything must be stored: nothing was confirmed later than this before the indexer was there."""
    kills: int = 0
    """Processes of ours that got a kill -9."""
    _asking: asyncpg.Connection | None = None

    # ------------------------------------------------------------ processes

    async def start_indexer(self) -> Running:
        """One more `curvecast index --source rpc`."""
        indexer = await start("index", "--source", "rpc", folder=self.folder, port=None, **self._settings(is_api=False))
        self.indexers.append(indexer)
        return indexer

    async def start_api(self) -> Running:
        """`curvecast serve`, when it is ready."""
        self.api = await start("serve", folder=self.folder, port=None, **self._settings(is_api=True))
        await self.api.ready()
        return self.api

    def check_alive(self) -> None:
        """Nothing manual: an indexer that ends by itself fails the scenario, with what it said."""
        for each in self.indexers:
            assert each.process.returncode is None, f"the indexer ended by itself:\n{each.said[-4_000:]}"

    async def kill_api(self) -> None:
        """kill -9, and another one on the same port, ready."""
        assert self.api is not None
        self.api.process.kill()
        await self.api.process.wait()
        self.kills += 1
        self.api = await start("serve", folder=self.folder, port=self.api.port, **self._settings(is_api=True))
        await self.api.ready()

    async def kill_indexer(self) -> None:
        """kill -9 of the one that writes."""
        self.check_alive()
        indexer = self.indexers.pop(0)
        indexer.process.kill()
        await indexer.process.wait()
        indexer.log.unlink()
        self.kills += 1

    async def restart_postgres(self, how: signal.Signals) -> None:
        """SIGINT is a fast shutdown, SIGQUIT an immediate one, SIGKILL takes the postmaster alone."""
        if how is not signal.SIGINT:
            data = data_folder(self.folder / "database") / "data"
            os.kill(int((data / "postmaster.pid").read_text().splitlines()[0]), how)
        await asyncio.to_thread(self.postgres.stop)
        await asyncio.to_thread(self.postgres.start)

    async def restart_redis(self) -> None:
        """kill -9; it comes back empty, on the same port."""
        await asyncio.to_thread(self.redis.kill)
        await asyncio.to_thread(self.redis.start)

    def _settings(self, *, is_api: bool) -> dict[str, str]:
        links = self.links
        database, bus = (links.api_postgres, links.api_redis) if is_api else (links.postgres, links.redis)
        nodes = [f"127.0.0.1:{proxy.port}" for proxy in links.nodes]
        return {
            "database_url": f"postgresql://curvecast@127.0.0.1:{database.port}/postgres",
            "redis_url": f"redis://127.0.0.1:{bus.port}/0",
            "rpc_urls": ",".join(f"http://{each}|ws://{each}" for each in nodes),
            "price_apis": "none",
            "sol_usd": SOL_USD,
            "ipfs_gateways": "none",
        }

    async def flush_redis(self) -> None:
        """FLUSHALL, by its wire form."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.redis.port)
        writer.write(b"FLUSHALL\r\n")
        assert await reader.readline() == b"+OK\r\n"
        writer.close()

    # ------------------------------------------------------------ waiting

    async def begin(self) -> None:
        """Starts the indexer on a chain that stands still, then lets the chain move."""
        chain = self.market.chain
        await chain.advance(QUIET_SLOTS - 2)
        await self.start_indexer()
        async with asyncio.timeout(LIMIT_SECONDS):
            while not any("getBlock" in node.requests for node in self.nodes):
                self.check_alive()
                await asyncio.sleep(_POLL_SECONDS)
        self.first_slot = chain.tip(Commitment.CONFIRMED) + 1
        self.market.start()
        await self.recovered()

    async def recovered(self) -> float:
        """Seconds until something newer than what is there now is stored, and the store is not behind by more than
        `FRESH_SECONDS`: it has all that was confirmed so long before. TimeoutError where that never is."""
        began = time.monotonic()
        before = self.market.chain.tip(Commitment.CONFIRMED)
        tips: deque[tuple[float, int]] = deque()
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                self.check_alive()
                tips.append((time.monotonic(), self.market.chain.tip(Commitment.CONFIRMED)))
                while len(tips) > 1 and tips[1][0] <= time.monotonic() - FRESH_SECONDS:
                    tips.popleft()
                if (await self._stored())[0] >= max(before + 1, tips[0][1]):
                    return time.monotonic() - began
                await asyncio.sleep(_POLL_SECONDS)

    async def settle(self) -> None:
        """Ends the chain; returns when all of it is stored and final, and the indexer has ended."""
        await self.market.end()
        chain = self.market.chain
        last, final = chain.tip(Commitment.CONFIRMED), chain.tip(Commitment.FINALIZED)
        async with asyncio.timeout(LIMIT_SECONDS):
            while not await self._has(last, final):
                self.check_alive()
                await asyncio.sleep(_POLL_SECONDS)

    async def _has(self, complete: int, finalized: int) -> bool:
        stored = await self._stored()
        return stored[0] >= complete and stored[1] >= finalized

    async def end_indexers(self) -> None:
        """Those that wait are killed; the one that writes gets a SIGTERM, as from an operator."""
        for waiting in self.indexers[1:]:
            waiting.process.kill()
            await waiting.process.wait()
        code = await self.indexers[0].stop()
        assert code == 0, f"exit code {code}:\n{self.indexers[0].said[-4_000:]}"

    async def another_database(self) -> str:
        """The URL of an empty one on the same server."""
        connection = await asyncpg.connect(self.postgres.url)
        await connection.execute("CREATE DATABASE undisturbed")
        await connection.close()
        return url_of_database(self.postgres.url, "undisturbed")

    async def _stored(self) -> tuple[int, int]:
        """The newest complete and the newest finalized slot, asked beside the proxies; zeros while nobody answers."""
        try:
            if self._asking is None:
                self._asking = await asyncpg.connect(self.postgres.url, timeout=2, command_timeout=2)
            row = await self._asking.fetchrow("SELECT complete_slot, finalized_slot FROM feed")
        except (OSError, RuntimeError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self.hang_up()
            return 0, 0
        return (row["complete_slot"] or 0, row["finalized_slot"] or 0) if row else (0, 0)

    def hang_up(self) -> None:
        """Ends the connection that asks how far the indexer is."""
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.terminate()


@asynccontextmanager
async def running_world(
    seed: int, *, rate: float = 40.0, speed: float = 4.0, nodes: int = 1, poison: float = 0.0
) -> AsyncIterator[World]:
    """Fresh servers, a chain and an indexer that follows it; everything is gone afterwards."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(open_folder())
        market = Market(seed, rate=rate, speed=speed, poison=poison)
        database, bus = stack.enter_context(_postgres(folder / "database")), stack.enter_context(redis())
        served = [await stack.enter_async_context(serve_node(market.chain)) for _ in range(nodes)]

        async def to_postgres() -> Streams:
            return await _open_postgres(database)

        async def to_redis() -> Streams:
            return await asyncio.open_connection("127.0.0.1", bus.port)

        links = Links(
            nodes=[await _before_node(stack, each) for each in served],
            postgres=await stack.enter_async_context(serve_proxy(to_postgres)),
            redis=await stack.enter_async_context(serve_proxy(to_redis)),
            api_postgres=await stack.enter_async_context(serve_proxy(to_postgres)),
            api_redis=await stack.enter_async_context(serve_proxy(to_redis)),
        )
        world = World(folder, market, served, database, bus, links)
        stack.push_async_callback(market.stop)
        stack.push_async_callback(_kill_all, world)
        stack.callback(world.hang_up)
        await world.begin()
        yield world


@contextmanager
def _postgres(folder: Path) -> Iterator[EmbeddedPostgres]:
    """Without fsync: processes are killed here, not the machine."""
    server = EmbeddedPostgres(folder, {"fsync": "off"})
    server.start()
    try:
        yield server
    finally:
        server.stop()


async def _before_node(stack: AsyncExitStack, node: Node) -> Proxy:
    async def to_node() -> Streams:
        return await asyncio.open_connection("127.0.0.1", node.port)

    return await stack.enter_async_context(serve_proxy(to_node))


async def _open_postgres(server: EmbeddedPostgres) -> Streams:
    try:
        url = server.url
    except RuntimeError as error:
        raise ConnectionRefusedError("it is being started again") from error
    [folder] = parse_qs(urlsplit(url).query)["host"]
    return await asyncio.open_unix_connection(f"{folder}/.s.PGSQL.5432")


async def _kill_all(world: World) -> None:
    for each in [*world.indexers, *([world.api] if world.api else [])]:
        if each.process.returncode is None:
            each.process.kill()
            await each.process.wait()
