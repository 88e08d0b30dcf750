"""Compiled selections answer as graphql-core does, byte by byte, whatever is asked."""

import gc
import json
import random
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from asking import Asked
from execution.documents import Document, Writer
from factories import address, market, pool_of
from graphql import execute, parse, validate
from sqlalchemy.ext.asyncio import AsyncEngine
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from app.bus.feed import Bus
from app.domain.cursors import Cursors
from app.execution.errors import format_error
from app.execution.operations import Operation, Operations, RequestRefused
from app.execution.requests import GraphQLRequest
from app.live.hub import Hub
from app.schema import core_schema
from app.schema.context import Context
from app.schema.nodes import global_id, parse_global_id
from app.settings import MEMORY, Settings
from app.store.identity import read_store_id

_QUERIES = 120
_EVENTS = 40
"""Documents for each kind of event."""
_UNTOLD = frozenset({"ChainPoint.ageMs", "Query.status"})
"""They tell the wall clock."""
_SETTINGS = Settings(sol_usd="150", max_aliases=1_000, max_cost=10**9, max_depth=30, max_directives=1_000)
# graphql-core cancels what stands beside an error, also where it was not begun.
pytestmark = pytest.mark.filterwarnings(
    "ignore:coroutine '(GraphQLCoreConverter|Executor)[.].*' was never awaited:RuntimeWarning"
)


@pytest.fixture(autouse=True)
def garbage() -> Iterator[None]:
    """Those coroutines are collected here: inside of a named tuple's constructor their warning cannot be imported."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


@pytest.fixture
async def world(engine: AsyncEngine) -> Asked:
    """A store with a small market: curves, completions, migrations, pools, one unseen launch."""
    asked = Asked(engine, Cursors(await read_store_id(engine)), _SETTINGS, [])
    story = market(seed=7, length=80)
    await asked.write([each for each, _ in story], [balance for _, held in story for balance in held])
    return asked


def _context(world: Asked) -> Context:
    return Context(world.engine, world.cursors, world.settings, Hub(world.engine, Bus(MEMORY)))


def _known(world: Asked) -> Mapping[str, Sequence[Any]]:
    """Values for arguments: mostly such that there is something to answer."""
    mints = sorted({trade.mint for trade in world.trades})
    trade = world.trades[-1]
    cursor = world.cursors.encode(trade.sequence, trade.block_time, trade.position, trade.identity)
    ids = [*(global_id("Token", mint) for mint in mints), global_id("Pool", pool_of(mints[0])), "nothing"]
    some = [*mints, *mints, *mints, address("unknown"), "no address"]
    return {
        "mintAddress": some,
        "mintAddresses": some,
        "address": [pool_of(mint) for mint in mints],
        "eq": some,
        "in": some,
        "id": ids,
        "ids": ids,
        # None at all, or one that only some of the lists take.
        "after": ["", "", "", cursor],
        "before": ["", "", "", cursor],
        "first": [1, 2, 3, 4, 5, 6, 7, 300],
        "last": [1, 2, 3],
        "countback": [1, 5],
        "limit": [1, 2, 3, 4, 5, 1_000],
        "from": [trade.block_time - 600],
        "to": [trade.block_time, trade.block_time + 60],
    }


async def _by_graphql_core(document: Document, root_value: object, context: Context) -> bytes:
    result: Any = execute(
        core_schema,
        parse(document.text),
        root_value=root_value,
        context_value=context,
        variable_values=dict(document.variables),
        executor_class=StrawberryGraphQLCoreExecutionContext,
    )
    result = await result if isinstance(result, Awaitable) else result
    response = {"errors": [format_error(error) for error in result.errors]} if result.errors else {}
    if result.errors is None or any(error.path for error in result.errors):
        response["data"] = result.data
    return msgspec.json.encode(response)


def _assert_equal(answer: bytes, expected: bytes, document: object) -> None:
    if answer == expected and b'{"errors":' not in expected[:10]:
        return
    one, other = json.loads(answer), json.loads(expected)
    assert one.get("data") == other.get("data"), document
    assert ("errors" in one) == ("errors" in other), document
    assert _settled(one) == _settled(other), document


def _settled(response: dict[str, Any]) -> list[str]:
    """Errors that nothing else could take the place of. Where a null spreads to an object above, the first error of
    those in it is told, and which is first depends on how fast the store answers."""
    return sorted(
        json.dumps(each) for each in response.get("errors", ()) if _has_parent(response, each.get("path", []))
    )


def _has_parent(response: dict[str, Any], path: Sequence[str | int]) -> bool:
    found = response.get("data")
    for part in path[:-1]:
        found = found[part] if found is not None else None
    return found is not None


async def _answer(operations: Operations, operation: Operation) -> bytes:
    try:
        return (await operations.run(operation)).body
    except RequestRefused as refused:
        return msgspec.json.encode(refused.response)


async def test_random_queries_are_answered_as_graphql_core_answers_them(world: Asked) -> None:
    known, context = _known(world), _context(world)
    operations = Operations(core_schema, world.settings, context.fresh)
    answered = 0
    for seed in range(_QUERIES):
        document = Writer(core_schema, random.Random(seed), known, _UNTOLD).query()
        if validate(core_schema, parse(document.text)):
            continue
        operation = operations.prepare(GraphQLRequest(document.text, document.variables, None))
        first, compiled = [await _answer(operations, operation) for _ in range(2)]
        expected = await _by_graphql_core(document, None, context.fresh())
        _assert_equal(first, expected, document)
        _assert_equal(compiled, expected, document)
        answered += b'{"errors":' not in expected[:10]

    assert answered > _QUERIES / 2


@pytest.mark.parametrize("name", ["trades", "newTokens", "graduations"])
async def test_random_selections_of_events_are_answered_as_graphql_core_answers_them(world: Asked, name: str) -> None:
    known, context = _known(world), _context(world)
    operations = Operations(core_schema, world.settings, context.fresh)
    events = await _events(world, name)
    for seed in range(_EVENTS):
        document = Writer(core_schema, random.Random(seed), known, _UNTOLD).subscription(name)
        if validate(core_schema, parse(document.text)):
            continue
        operation = operations.prepare(GraphQLRequest(document.text, document.variables, None))
        event = events[seed % len(events)]
        expected = await _by_graphql_core(document, event, context.fresh())
        if b'"data":' not in expected:
            continue  # a wrong variable: it is refused when the subscription is opened
        answer = operations.responder(operation)(event, context.fresh())
        _assert_equal(answer if isinstance(answer, bytes) else await answer, expected, document)


async def _events(world: Asked, name: str) -> Sequence[object]:
    loaders = _context(world).loaders
    mints = {trade.mint for trade in world.trades}
    if name == "trades":
        return world.trades
    if name == "newTokens":
        return [token for token in await loaders.token.load_many(list(mints)) if token is not None]
    page = await world.answer("{ graduations(first: 5) { nodes { id } } }")
    ids = [each["id"] for each in page["graduations"]["nodes"]]
    assert ids
    return [await _graduation(world, each) for each in ids]


async def _graduation(world: Asked, name: str) -> object:
    return await _context(world).loaders.graduation.load(bytes.fromhex(parse_global_id(name)[1]))
