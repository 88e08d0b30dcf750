"""Control of a node that runs as its own process: faults, forks and what is true, over HTTP.

curl -X POST :8899/control -d '{"fault": {"kind": "STALL", "on": "getBlock", "seconds": 3, "times": 2}}'
"""

from collections.abc import Iterator

import msgspec
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from node.chain import Chain
from node.faults import Faults, Kind
from node.sockets import Hub
from node.truth import truth


class FaultOrder(msgspec.Struct, forbid_unknown_fields=True):
    """As `Faults.add` takes it; `kind` by name."""

    kind: str
    on: str = "*"
    times: int | None = None
    share: float = 1.0
    seconds: float = 1.0
    status: int = 503


class Order(msgspec.Struct, forbid_unknown_fields=True):
    """What shall happen; any of these at once."""

    clear: bool = False
    """All is well again, before anything else."""
    fault: FaultOrder | None = None
    act: str | None = None
    """On all open connections: CUT, RESET or HALF_OPEN."""
    lag: int | None = None
    fork: int | None = None
    """Replaces so many blocks."""
    skip: int | None = None
    pad: int | None = None
    """So many huge blocks."""


def control_routes(chain: Chain, faults: Faults, hub: Hub) -> list[Route]:
    """POST /control takes an `Order`; GET /truth answers one line of JSON for each transaction with events."""

    async def control(request: Request) -> Response:
        try:
            order = msgspec.json.decode(await request.body(), type=Order)
            _obey(order, chain, faults, hub)
        except (msgspec.ValidationError, msgspec.DecodeError, KeyError) as error:
            return PlainTextResponse(f"not an order: {error}\n", 400)
        return PlainTextResponse(f"done at slot {chain.slot}\n")

    async def tell(request: Request) -> Response:
        first, last = request.query_params.get("first"), request.query_params.get("last")
        lines = _lines(chain, int(first) if first else None, int(last) if last else None)
        return StreamingResponse(lines, media_type="application/x-ndjson")

    return [Route("/control", control, methods=["POST"]), Route("/truth", tell)]


def _obey(order: Order, chain: Chain, faults: Faults, hub: Hub) -> None:
    if order.clear:
        faults.clear()
    if order.fault is not None:
        fields = msgspec.structs.asdict(order.fault)
        faults.add(Kind[fields.pop("kind")], fields.pop("on"), **fields)
    if order.act is not None:
        kind = Kind[order.act]
        for each in tuple(hub.connections):
            each.act(kind)
    if order.lag is not None:
        faults.lag = order.lag
    if order.fork is not None:
        chain.fork(order.fork)
    chain.skip(order.skip or 0)
    chain.pad(order.pad or 0)


def _lines(chain: Chain, first: int | None, last: int | None) -> Iterator[bytes]:
    for each in list(truth(chain, first=first, last=last)):
        events = [{"kind": type(event).__name__, "identity": event.identity.hex()} for event in each.events]
        form = {"signature": each.signature, "slot": each.slot, "index": each.index, "events": events}
        yield msgspec.json.encode(form) + b"\n"
