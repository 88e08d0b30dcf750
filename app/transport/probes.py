"""What machines ask: alive, ready, the numbers of this process, the schema as text."""

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from app.live.hub import Hub
from app.metrics import Metrics, gauge
from app.transport.sessions import Sessions


class Probes:
    """Small and cheap: they answer from what the hub's watch found half a second ago at most."""

    def __init__(self, hub: Hub, sessions: Sessions, metrics: Metrics, sdl: str) -> None:
        self._hub = hub
        self._sessions = sessions
        self._metrics = metrics
        self._sdl = sdl

    async def live(self, request: Request) -> Response:
        """200 while the process answers at all."""
        return JSONResponse({"live": True})

    async def ready(self, request: Request) -> Response:
        """200 when database, bus and hub work and something is indexed; else 503. The body says which part is not."""
        parts = {
            "database": self._hub.is_store_reachable,
            "bus": self._hub.bus.is_connected,
            "hub": self._hub.is_running,
            "head": self._hub.sequence > 0,
        }
        return JSONResponse({"ready": all(parts.values()), **parts}, 200 if all(parts.values()) else 503)

    async def metrics(self, request: Request) -> Response:
        """The text format of Prometheus."""
        return PlainTextResponse("\n".join([*self._metrics.lines(), *self._gauges(), ""]))

    async def schema(self, request: Request) -> Response:
        """The SDL."""
        return PlainTextResponse(self._sdl)

    def _gauges(self) -> Iterator[str]:
        hub = self._hub
        yield from gauge("curvecast_sockets", "Open WebSockets.", self._sessions.open)
        yield from gauge("curvecast_subscriptions", "Open subscriptions.", hub.subscriptions)
        yield from gauge("curvecast_sequence", "Newest delivered sequence.", hub.sequence)
        yield from gauge("curvecast_hub_repairs", "Holes of the bus that were read from the database.", hub.repairs)
        yield from gauge("curvecast_bus_connected", "1 while the bus is there.", int(hub.bus.is_connected))
        yield from gauge("curvecast_database_reachable", "1 while Postgres answers.", int(hub.is_store_reachable))
        head = hub.head.point.slot if hub.head else 0
        yield from gauge("curvecast_head_slot", "Newest indexed slot.", head)
