"""Every operation that is shipped is compiled, and needs graphql-core for nothing."""

from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from asking import Asked
from factories import market, pool_of
from graphql import GraphQLObjectType, execute
from sqlalchemy.ext.asyncio import AsyncEngine

from app.bus.feed import Bus
from app.domain.cursors import Cursors
from app.domain.streams import StreamPhase
from app.execution.operations import Operation, Operations
from app.execution.requests import GraphQLRequest
from app.execution.resolvers import resolver_of
from app.live.hub import Hub
from app.live.moment import Moment
from app.schema import core_schema
from app.schema.context import Context
from app.schema.plans import Circumstances
from app.settings import MEMORY, Settings
from app.store.identity import read_store_id

_FILES = sorted((Settings().contract_dir / "operations").glob("*.graphql"))


@pytest.fixture
async def world(engine: AsyncEngine) -> Asked:
    asked = Asked(engine, Cursors(await read_store_id(engine)), Settings(sol_usd="150"), [])
    story = market(seed=3, length=120, tokens=3)
    await asked.write([event for event, _ in story], [each for _, held in story for each in held])
    return asked


async def test_they_are_executed_as_they_were_compiled(world: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(world.engine, Bus(MEMORY))
    context = Context(world.engine, world.cursors, world.settings, hub)
    operations = Operations(core_schema, world.settings, context.fresh)
    needed: list[str] = []
    for file in _FILES:
        operation = operations.prepare(GraphQLRequest(file.read_text(), _variables(world, file), None))
        roots: Sequence[object] = await _events(operations, operation) if operation.is_subscription else [None]
        operations.responder(operation)

        def noted(*given: Any, file: Path = file, **named: Any) -> Any:
            needed.append(file.stem)
            return execute(*given, **named)

        monkeypatch.setattr("app.execution.operations.execute", noted)
        for root in roots:
            response = operations.responder(operation)(root, context.fresh())
            body = await response if isinstance(response, Awaitable) else response
            assert "errors" not in msgspec.json.decode(body), file.stem

    assert needed == []


def test_every_field_of_the_schema_is_resolved_without_graphql_core() -> None:
    types = [each for each in core_schema.type_map.values() if isinstance(each, GraphQLObjectType)]
    for type_ in types:
        if not type_.name.startswith("__"):
            for field in type_.fields.values():
                resolver_of(core_schema, field)  # raises for a field that it cannot call


def _variables(world: Asked, file: Path) -> dict[str, Any]:
    mints = sorted({each.mint for each in world.trades})
    busiest = max(mints, key=lambda mint: sum(each.mint == mint for each in world.trades))
    known = {"mint": busiest, "mints": mints, "wallet": world.trades[-1].trader, "pool": pool_of(busiest)}
    return {name: value for name, value in known.items() if f"${name}:" in file.read_text()}


async def _events(operations: Operations, operation: Operation) -> list[object]:
    """Root values of a subscription, of everything that is stored."""
    plan = await operations.open(operation)
    records = await plan.read(0, 1_000_000) if plan.read is not None else (await plan.opening())[1]
    told = Circumstances(Moment(0, None, {}, {}), StreamPhase.LIVE)
    assert records
    return [event.value for event in plan.packing.pack(records, told)]
