"""The API as an ASGI application: opens engine, bus and hub when it starts, closes them in reverse when it ends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route, WebSocketRoute

from app.bus.feed import Bus
from app.domain.cursors import Cursors
from app.errors import StartupError
from app.execution.operations import Operations
from app.fanout.fanout import Fanout
from app.live.hub import Hub
from app.metrics import Metrics
from app.schema import core_schema, sdl
from app.schema.context import Context
from app.settings import Settings
from app.store.engine import open_engine
from app.store.examples import read_examples
from app.store.identity import read_store_id
from app.transport.ide import Ide
from app.transport.probes import Probes
from app.transport.sessions import Sessions
from app.transport.streams import Streams
from app.transport.view import FRAMINGS, View

Drain = Callable[[], Awaitable[None]]


def create_app(settings: Settings, *, engine: AsyncEngine | None = None, bus: Bus | None = None) -> Starlette:
    """The application. What is given is used and left open for its owner; what is not is opened from the settings.

    `curvecast up` gives both, so that indexer and API share one bus in memory. Starting raises StartupError.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            store = engine if engine is not None else await stack.enter_async_context(open_engine(settings))
            feed = bus if bus is not None else await stack.enter_async_context(_open_bus(settings))
            hub = await stack.enter_async_context(_running(Hub(store, feed)))
            drain, app.router.routes[:] = await _routes(settings, store, hub)
            yield {"drain": drain}

    return Starlette(lifespan=lifespan)


@asynccontextmanager
async def _open_bus(settings: Settings) -> AsyncIterator[Bus]:
    bus = Bus(str(settings.redis_url), settings.bus_max_batches)
    await bus.connect()
    try:
        yield bus
    finally:
        await bus.disconnect()


@asynccontextmanager
async def _running(hub: Hub) -> AsyncIterator[Hub]:
    await hub.start()
    try:
        yield hub
    finally:
        await hub.stop()


async def _routes(settings: Settings, engine: AsyncEngine, hub: Hub) -> tuple[Drain, list[BaseRoute]]:
    """The routes, and what is called before the process stops to listen."""
    store_id, metrics = await _store_id(engine), Metrics()
    context = Context(engine, Cursors(store_id), settings, hub, lambda: fanout.members)
    operations = Operations(core_schema, settings, context.fresh)
    fanout = Fanout(operations, hub, context.at, settings.mailbox_size)
    sessions = Sessions(operations, fanout, settings, metrics)
    streams = Streams(fanout, FRAMINGS, sessions.door, metrics)
    probes = Probes(hub, engine, fanout, sessions, streams, metrics, sdl())
    ide = _ide(settings, engine, hub, store_id)
    view = View(operations, streams, settings, metrics, ide.page)

    async def drain() -> None:
        await asyncio.gather(sessions.drain(), streams.drain())

    return drain, [
        Route("/graphql", view),
        WebSocketRoute("/graphql", sessions),
        *ide.routes,
        Route("/schema.graphql", probes.schema),
        Route("/health/live", probes.live),
        Route("/health/ready", probes.ready),
        Route("/metrics", probes.metrics),
    ]


async def _store_id(engine: AsyncEngine) -> str:
    try:
        return await read_store_id(engine)
    except ProgrammingError as error:
        raise StartupError("the database holds no tables of Curvecast: run `curvecast migrate` first.") from error


def _ide(settings: Settings, engine: AsyncEngine, hub: Hub, store_id: str) -> Ide:
    async def examples() -> dict[str, object]:
        async with engine.connect() as connection:
            return await read_examples(connection)

    is_simulated = hub.head.is_simulated if hub.head else settings.source == "simulate"
    banner = "SIMULATED data: this market is made up." if is_simulated else None
    return Ide(settings.contract_dir / "operations", examples, store_id=store_id, banner=banner)
