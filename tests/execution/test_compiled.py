"""What compiled selections do besides answering right: wait together, answer at once, give way to graphql-core."""

import asyncio
import json
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import pytest
from execution.shapes import CORE, WRONG, Context, by_graphql_core
from graphql import execute

from app.execution.operations import Operation, Operations, RequestRefused
from app.execution.requests import GraphQLRequest
from app.settings import Settings

_NONE: Mapping[str, Any] = {}


class _Asking:
    """Operations over the small schema, that tell how often graphql-core was needed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.by_graphql_core = 0
        self.operations = Operations(CORE, Settings(), Context)

        def counted(*given: Any, **named: Any) -> Any:
            self.by_graphql_core += 1
            return execute(*given, **named)

        monkeypatch.setattr("app.execution.operations.execute", counted)

    def prepare(self, query: str, variables: Mapping[str, Any]) -> Operation:
        return self.operations.prepare(GraphQLRequest(query, variables, None))

    def respond(self, query: str, context: Context | None = None, **variables: object) -> bytes | Awaitable[bytes]:
        """As a document that was sent before."""
        operation = self.prepare(query, variables)
        for _ in range(2):
            responder = self.operations.responder(operation)
        return responder(None, context or Context())

    async def answer(self, query: str, variables: Mapping[str, Any] = _NONE, context: Context | None = None) -> bytes:
        response = self.respond(query, context, **variables)
        return response if isinstance(response, bytes) else await response


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> _Asking:
    return _Asking(monkeypatch)


@pytest.mark.parametrize(
    "query",
    [
        "{ thing { number text share isNew colour even grid strict __typename } }",
        "{ def: thing { run: number value: text class: number } }",
        "{ thing { a: thing(number: 4) { number } b: thing { number } area(size: {width: 2}, by: 5) } }",
        "{ thing { thing { number } } ...F thing { thing { text } } } fragment F on Query { thing { thing { text } } }",
        "{ things(count: 2) { ... on Thing { number } ... @include(if: false) { text } } }",
        '{ animals(names: ["cat", "dog"]) { __typename name ... on Cat { lives } } }',
        "{ thing(number: 0) { maybe { number } } }",
        "{ thing { double atOnce quadruple thing { double } } }",
        "{ later { number double } things { quadruple } thing { number } }",
    ],
)
async def test_it_answers_as_graphql_core_does_without_it(asking: _Asking, query: str) -> None:
    assert await asking.answer(query) == await by_graphql_core(query, {}, Context())
    assert asking.by_graphql_core == 0


@pytest.mark.parametrize(
    "query",
    [
        "{ thing { broken number } }",
        "{ thing { thing { brokenStrictly } number } }",
        "{ thing { maybe { thing { brokenStrictly } double } number } }",
        "{ thing { returnedError } }",
        "{ thing { timed } }",
        "{ thing { path } }",
        '{ animals(names: ["impostor"]) { name } }',
        "{ __schema { queryType { name } } thing { number } }",
    ],
)
async def test_what_it_does_not_cover_is_executed_by_graphql_core(asking: _Asking, query: str) -> None:
    assert await asking.answer(query) == await by_graphql_core(query, {}, Context())
    assert asking.by_graphql_core == 1


@pytest.mark.parametrize("what", WRONG)
async def test_a_value_of_another_kind_is_shown_or_refused_as_by_graphql_core(asking: _Asking, what: str) -> None:
    query = "query ($what: String!) { wrong(what: $what) { number text share isNew colour even strict grid } }"

    assert await asking.answer(query, {"what": what}) == await by_graphql_core(query, {"what": what}, Context())


async def test_one_selection_serves_every_outcome_of_its_conditions(asking: _Asking) -> None:
    names = "abcde"
    declared = ", ".join(f"${name}: Boolean!" for name in names)
    fields = " ".join(f"{name}: number @include(if: ${name})" for name in names)
    query = f"query ({declared}) {{ thing {{ text {fields} }} }}"
    for outcome in range(2 ** len(names)):
        variables = {name: bool(outcome >> place & 1) for place, name in enumerate(names)}

        assert await asking.answer(query, variables) == await by_graphql_core(query, variables, Context())


_SIZES: Sequence[Mapping[str, Any]] = ({"width": 2}, {"width": 5, "by": 2})


async def test_arguments_follow_the_variables_of_each_request(asking: _Asking) -> None:
    query = "query ($width: Int!, $by: Int) { thing { area(size: {width: $width}, by: $by) } }"
    answers = [json.loads(await asking.answer(query, given)) for given in _SIZES]

    assert [answer["data"]["thing"]["area"] for answer in answers] == [6, 30]


async def test_a_wrong_variable_is_refused(asking: _Asking) -> None:
    with pytest.raises(RequestRefused) as refused:
        asking.respond("query ($number: Int!) { thing(number: $number) { number } }", number="three")

    assert refused.value.response["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}


async def test_what_has_nothing_to_wait_for_is_answered_at_once(asking: _Asking) -> None:
    assert isinstance(asking.respond("{ things { number atOnce thing { atOnce } } }"), bytes)


async def test_the_rows_of_a_page_and_of_several_executions_are_read_together(asking: _Asking) -> None:
    context = Context()
    responses = [asking.respond("{ things(count: 2) { double } }", context) for _ in range(2)]
    responses.append(asking.respond("{ thing(number: 9) { double } }", context))
    for response in responses:
        assert not isinstance(response, bytes)
    await asyncio.gather(*(response for response in responses if not isinstance(response, bytes)))

    assert context.batches == [[1, 2, 9]]
    assert asking.by_graphql_core == 0


async def test_what_is_read_after_a_read_is_read_together_too(asking: _Asking) -> None:
    context = Context()
    await asking.answer("{ things(count: 3) { quadruple } }", context=context)

    assert context.batches == [[1, 2, 3], [4, 6]]


async def test_an_error_leaves_nothing_behind_that_was_begun(asking: _Asking) -> None:
    context = Context()
    response = asking.respond("{ things(count: 2) { held } thing { broken } }", context)
    assert not isinstance(response, bytes)
    task = asyncio.ensure_future(response)
    await asyncio.sleep(0)
    context.gate.set()

    assert json.loads(await task)["data"]["things"] == [{"held": 1}, {"held": 2}]
    # Once by each execution.
    assert context.held == ["let go"] * 4


async def test_who_stops_waiting_stops_what_was_begun(asking: _Asking) -> None:
    context = Context()
    response = asking.respond("{ things(count: 2) { held } }", context)
    assert not isinstance(response, bytes)
    task = asyncio.ensure_future(response)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)

    assert context.held == ["let go"] * 2


async def test_a_query_is_compiled_when_it_is_sent_again(asking: _Asking) -> None:
    needed = []
    for _ in range(3):
        await asking.operations.run(asking.prepare("{ thing { number } }", {}))
        needed.append(asking.by_graphql_core)

    assert needed == [1, 1, 1]


async def test_selections_that_others_took_the_place_of_are_compiled_again(asking: _Asking) -> None:
    names = ("number", "text", "share", "isNew", "even", "strict", "colour", "atOnce")
    fields = " ".join(f"{name}{n}: {name}" for name in names for n in range(45))
    asking.operations = Operations(CORE, Settings(max_aliases=10_000), Context)
    for n in range(60):
        assert (
            json.loads(await asking.answer(f"{{ thing(number: {n}) {{ {fields} }} }}"))["data"]["thing"]["number7"] == n
        )
    await asking.answer(f"{{ thing(number: 0) {{ {fields} }} }}")

    assert asking.by_graphql_core == 0


async def test_fragments_that_stand_for_thousands_of_fields_are_not_compiled(asking: _Asking) -> None:
    chain = " ".join(
        f"fragment F{n} on Thing {{ a: thing {{ ...F{n + 1} }} b: thing(number: 2) {{ ...F{n + 1} }} }}"
        for n in range(10)
    )
    asking.operations = Operations(CORE, Settings(max_aliases=10_000, max_depth=20), Context)
    await asking.answer(f"{{ thing {{ ...F0 }} }} {chain} fragment F10 on Thing {{ number text }}")

    assert asking.by_graphql_core == 1
