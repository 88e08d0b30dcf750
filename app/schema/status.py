"""The `status` query: is everything as promised, and if not, which part is it."""

import asyncio
from collections.abc import Awaitable, Sequence
from enum import Enum
from functools import cache
from importlib.metadata import version
from typing import Any, Final, TypeVar

import strawberry

from app.domain import records
from app.domain.programs import Commitment
from app.domain.records import Head
from app.live.hub import Hub
from app.schema.chain import ChainPoint
from app.schema.context import Context, Info
from app.schema.loaders import fresh_rates
from app.schema.scalars import BigInt
from app.store.components import Told, read_components
from app.store.engine import is_lost
from app.store.feed import read_first_point, read_head
from app.store.gaps import open_gaps

_NOWHERE: Final = records.ChainPoint(0, 0, Commitment.FINALIZED)
"""Genesis: where an empty store stands, and all that is known to be final when no source tells more."""
_READ_SECONDS: Final = 2.0
_SOURCE: Final = "source "
"""How the indexer begins the names of what the market is fed from; the others are parts of these, or beside them."""
_GAPS_SHOWN: Final = 1_000
"""The oldest ones: a chain that is read through holes may have any number."""
T = TypeVar("T")


@strawberry.enum(description="Health of a part of the system.")
class HealthState(Enum):
    OK = strawberry.enum_value("OK", description="As promised.")
    DEGRADED = strawberry.enum_value("DEGRADED", description="Working, below promise.")
    DOWN = strawberry.enum_value("DOWN", description="Not working.")


@strawberry.type(description="Percentiles.")
class Percentiles:
    p50: float = strawberry.field(description="Median.")
    p95: float = strawberry.field(description="95th.")
    p99: float = strawberry.field(description="99th.")


@strawberry.type(description="Range of slots, both inclusive.")
class SlotRange:
    first: BigInt = strawberry.field(name="from", description="First.")
    last: BigInt = strawberry.field(name="to", description="Last.")


@strawberry.type(description="Part of the system.")
class Component:
    name: str = strawberry.field(description="Name.")
    state: HealthState = strawberry.field(description="State.")
    detail: str | None = strawberry.field(description="Detail for people.")


_DEGRADED_PART: Final = Component(name="", state=HealthState.DEGRADED, detail=None)


@strawberry.type(description="Health of the server and how far it has indexed.")
class Status:
    state: HealthState = strawberry.field(description="Overall.")
    head: ChainPoint = strawberry.field(description="Newest indexed slot.")
    finalized: ChainPoint = strawberry.field(description="Newest finalized slot that is indexed.")
    lag_slots: int = strawberry.field(description="Slots between the chain's head and ours.")
    delivery_latency_ms: Percentiles = strawberry.field(
        description="Median and 99th percentile of block time to delivery over the last minute, in milliseconds."
    )
    replay_from: ChainPoint = strawberry.field(description="Oldest record that a stream can start from.")
    gaps: list[SlotRange] = strawberry.field(description="Slot ranges known to be missing, being refilled.")
    components: list[Component] = strawberry.field(
        description="Parts: sources, database, cache, broadcaster, price feed."
    )
    subscriptions: int = strawberry.field(description="Open subscriptions.")
    version: str = strawberry.field(description="Server version.")


async def read_status(info: Info) -> Status:
    """Never fails: what cannot be read is told as DOWN, with what was known last."""
    context, hub = info.context, info.context.hub
    head, database = await _read_head(context)
    head = head or hub.head
    is_open = database.state is HealthState.OK
    told = await _told(read_components(context.engine)) if is_open else None
    parts = [*_sources(head, told or ()), database, bus_component(hub), _price_feed(context, head)]
    others = [_component(each) for each in told or () if not each.name.startswith(_SOURCE)]
    first = await _told(read_first_point(context.engine)) if is_open else None
    gaps = await _told(open_gaps(context.engine, _GAPS_SHOWN)) if is_open else None
    point = head.point if head else _NOWHERE
    # Types resolve straight from records.
    points: dict[str, Any] = {
        "head": point,
        "finalized": (head.finalized if head else None) or _NOWHERE,
        "replay_from": first or point,
        "gaps": [gap.slots for gap in gaps or ()],
    }
    return Status(
        # With one node of several down the source goes on: the whole is not down, but below its promise.
        state=worst([*parts, *(_DEGRADED_PART for each in others if each.state is not HealthState.OK)]),
        lag_slots=head.lag_slots if head else 0,
        delivery_latency_ms=_latency(hub),
        components=[*parts, *others],
        subscriptions=context.subscriptions(),
        version=server_version(),
        **points,
    )


def _latency(hub: Hub) -> Percentiles:
    p50, p95, p99 = hub.latencies.percentiles()
    return Percentiles(p50=p50, p95=p95, p99=p99)


@cache
def server_version() -> str:
    """Of the installed package."""
    return version("curvecast")


def worst(parts: list[Component]) -> HealthState:
    """The state of a whole from those of its parts."""
    states = {part.state for part in parts}
    return next((each for each in (HealthState.DOWN, HealthState.DEGRADED) if each in states), HealthState.OK)


def bus_component(hub: Hub) -> Component:
    """Live delivery: without the bus it goes on from Postgres, later."""
    if hub.bus.is_connected:
        return Component(name="bus", state=HealthState.OK, detail=None)
    detail = "Redis is away; records are read from the database and arrive up to a second later."
    return Component(name="bus", state=HealthState.DEGRADED, detail=detail)


async def _read_head(context: Context) -> tuple[Head | None, Component]:
    try:
        async with asyncio.timeout(_READ_SECONDS):
            return await read_head(context.engine), Component(name="database", state=HealthState.OK, detail=None)
    except Exception as error:
        if not is_lost(error):
            raise
        return None, Component(name="database", state=HealthState.DOWN, detail="Postgres does not answer.")


async def _told(reading: Awaitable[T]) -> T | None:
    """What is read; None when the database does not answer in time."""
    try:
        async with asyncio.timeout(_READ_SECONDS):
            return await reading
    except Exception as error:
        if not is_lost(error):
            raise
        return None


def _sources(head: Head | None, told: Sequence[Told]) -> list[Component]:
    if head is None:
        return [Component(name="source", state=HealthState.DEGRADED, detail="Nothing has been indexed yet.")]
    by_name = {each.name: _component(each) for each in told}
    detail = "SIMULATED: this market is made up." if head.is_simulated else None
    names = [f"{_SOURCE}{name.strip()}" for name in head.source.split(",")]
    found = [by_name.get(name, Component(name=name, state=HealthState.OK, detail=None)) for name in names]
    return [Component(name=each.name, state=each.state, detail=each.detail or detail) for each in found]


def _component(told: Told) -> Component:
    """As the indexer told it, unless it has not told anything for too long."""
    if told.is_silent:
        return Component(name=told.name, state=HealthState.DOWN, detail="The indexer does not run.")
    return Component(name=told.name, state=HealthState[told.state], detail=told.detail or None)


def _price_feed(context: Context, head: Head | None) -> Component:
    if fresh_rates(context.hub.rates.values(), head.point.time if head else 0, context.settings):
        return Component(name="price feed", state=HealthState.OK, detail=None)
    detail = "No fresh quote-to-USD rate: values in US dollars are null. CURVECAST_SOL_USD fixes one."
    return Component(name="price feed", state=HealthState.DEGRADED, detail=detail)
