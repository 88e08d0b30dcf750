"""What machines ask: alive, ready, the numbers of this process, the schema as text."""

import asyncio
from collections.abc import Iterator
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.fanout.fanout import Fanout
from app.live.hub import Hub
from app.metrics import Metrics, gauge, gauges
from app.store.components import read_components
from app.store.engine import is_lost
from app.store.gaps import open_gaps
from app.transport.sessions import Sessions
from app.transport.streams import Streams

_READ_SECONDS: Final = 2.0
_STATES: Final = {"OK": 1.0, "DEGRADED": 0.5, "DOWN": 0.0}


class Probes:
    """Small and cheap: but for what the indexer tells, they answer from what the hub's watch found half a second ago at
    most."""

    def __init__(
        self,
        hub: Hub,
        engine: AsyncEngine,
        fanout: Fanout,
        sessions: Sessions,
        streams: Streams,
        metrics: Metrics,
        sdl: str,
    ) -> None:
        self._hub = hub
        self._fanout = fanout
        self._engine = engine
        self._sessions = sessions
        self._streams = streams
        self._metrics = metrics
        self._sdl = sdl

    async def live(self, request: Request) -> Response:
        """200 while the process answers at all."""
        return JSONResponse({"live": True})

    async def ready(self, request: Request) -> Response:
        """200 when database, bus and hub work, something is indexed, and the server is not about to stop; else 503. The
        body says which part is not."""
        parts = {
            "database": self._hub.is_store_reachable,
            "bus": self._hub.bus.is_connected,
            "hub": self._hub.is_running,
            "head": self._hub.sequence > 0,
            "open": not self._sessions.is_draining,
        }
        return JSONResponse({"ready": all(parts.values()), **parts}, 200 if all(parts.values()) else 503)

    async def metrics(self, request: Request) -> Response:
        """The text format of Prometheus."""
        lines = [*self._metrics.lines(), *self._gauges(), *await self._of_the_indexer()]
        return PlainTextResponse("\n".join([*lines, ""]))

    async def schema(self, request: Request) -> Response:
        """The SDL."""
        return PlainTextResponse(self._sdl)

    async def _of_the_indexer(self) -> list[str]:
        """What the indexer told the store of its parts, every node among them; nothing while Postgres is away."""
        try:
            async with asyncio.timeout(_READ_SECONDS):
                told = await read_components(self._engine)
                missing = sum(gap.slots.last - gap.slots.first + 1 for gap in await open_gaps(self._engine))
        except Exception as error:
            if not is_lost(error):
                raise
            return []
        states = {each.name: 0.0 if each.is_silent else _STATES.get(each.state, 0.0) for each in told}
        head = self._hub.head
        return [
            *gauges("curvecast_component", "1 OK, 0.5 degraded, 0 down, as `Status.components`.", "name", states),
            *gauge("curvecast_missing_slots", "Slots of which something is known to be missing.", missing),
            *gauge("curvecast_lag_slots", "Slots between the chain's head and ours.", head.lag_slots if head else 0),
        ]

    def _gauges(self) -> Iterator[str]:
        hub = self._hub
        yield from gauge("curvecast_sockets", "Open WebSockets.", self._sessions.open)
        yield from gauge("curvecast_streams", "Open subscriptions over HTTP.", self._streams.open)
        yield from gauge("curvecast_subscriptions", "Open subscriptions.", self._fanout.members)
        yield from gauge("curvecast_sequence", "Newest delivered sequence.", hub.sequence)
        yield from gauge("curvecast_hub_repairs", "Holes of the bus that were read from the database.", hub.repairs)
        yield from gauge("curvecast_bus_connected", "1 while the bus is there.", int(hub.bus.is_connected))
        yield from gauge("curvecast_database_reachable", "1 while Postgres answers.", int(hub.is_store_reachable))
        head = hub.head.point.slot if hub.head else 0
        yield from gauge("curvecast_head_slot", "Newest indexed slot.", head)
