"""Each limit, over HTTP and WebSocket alike: what is refused, what it says, and that refusing is cheap."""

from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from graphql import GraphQLError, get_operation_ast, parse
from graphql.language import Lexer, Source, Token, TokenKind
from transport.serving import Client, client, schema, served, small_app

from app.errors import CostExceeded
from app.execution.documents import Documents, Refused
from app.schema import core_schema, limits
from app.schema.costs import check_cost
from app.schema.limits import check_shape
from app.settings import Settings

SETTINGS = Settings(max_tokens=400, max_depth=6, max_aliases=5, max_directives=4, max_cost=100)
DOUBLED = 24
CORE = schema._schema


@dataclass
class Asker:
    """Asks the same server over either transport."""

    host: str
    http: httpx.AsyncClient
    socket: Client

    async def errors(self, road: str, query: str, variables: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        if road == "http":
            response = await self.http.post(
                f"http://{self.host}/graphql", json={"query": query, "variables": variables or {}}
            )
            assert response.status_code in (200, 400)
            found: list[dict[str, Any]] = response.json().get("errors", [])
            return found
        await self.socket.subscribe("a", query, **(variables or {}))
        message = await self.socket.receive()
        if message["type"] == "error":
            return list(message["payload"])
        assert (await self.socket.receive())["type"] == "complete"
        return []


@pytest.fixture
async def asker() -> AsyncIterator[Asker]:
    async with (
        served(small_app(SETTINGS), SETTINGS) as host,
        httpx.AsyncClient() as http,
        client(host) as socket,
    ):
        await socket.init()
        yield Asker(host, http, socket)


def _nested(depth: int) -> str:
    return "{" + "item {" * (depth - 1) + "name" + "}" * depth


def _fragments(depth: int) -> str:
    """As deep as `_nested`, one fragment a level."""
    links = "".join(f"fragment f{n} on Item {{ item {{ ...f{n + 1} }} }} " for n in range(depth - 3))
    return "{ item { ...f0 } } " + links + f"fragment f{depth - 3} on Item {{ item {{ name }} }}"


def doubled(levels: int = DOUBLED) -> str:
    """A document of a few hundred tokens that stands for 2^levels fields."""
    links = "".join(f"fragment f{n} on Item {{ ...f{n + 1} ...f{n + 1} }} " for n in range(levels))
    return "{ item { ...f0 } } " + links + f"fragment f{levels} on Item {{ item {{ name }} }}"


PASS = {
    "tokens": "{ item { name } }",
    "depth": _nested(6),
    "depth in fragments": _fragments(6),
    "aliases": "{ a: hello b: hello c: hello d: hello e: hello }",
    "directives": "{ hello @include(if: true) @skip(if: false) item @include(if: true) { name @include(if: true) } }",
    "cost": "{ items(first: 99) { name } }",
}
REFUSED = {
    "tokens": ("{" + " hello" * 400 + "}", "tokens, at most 400"),
    "depth": (_nested(7), "depth, at most 6"),
    "depth in fragments": (_fragments(7), "depth, at most 6"),
    "depth in inline fragments": (_nested(7).replace("item {", "... { item {", 1) + "}", "depth, at most 6"),
    "aliases": ("{ a: hello b: hello c: hello d: hello e: hello f: hello }", "aliases, at most 5"),
    "aliases in fragments": (
        "{ a: item { ...f } b: item { ...f } } fragment f on Item { c: name d: name }",
        "aliases, at most 5",
    ),
    "directives": ("{ hello" + " @include(if: true)" * 5 + "}", "directives, at most 4"),
    "cost": ("{ items(first: 101) { name } }", "cost, at most 100"),
    "cost of nested lists": ("{ items(first: 21) { item { item { item { name } } item2: item { name } } } }", "cost"),
    "cost of doubled fragments": (doubled(), "cost, at most 100"),
}


@pytest.mark.parametrize("road", ["http", "ws"])
@pytest.mark.parametrize("name", PASS)
async def test_what_keeps_within_the_limits_runs(asker: Asker, road: str, name: str) -> None:
    assert await asker.errors(road, PASS[name]) == []


@pytest.mark.parametrize("road", ["http", "ws"])
@pytest.mark.parametrize("name", REFUSED)
async def test_what_passes_a_limit_is_told_which_and_how_much(asker: Asker, road: str, name: str) -> None:
    query, said = REFUSED[name]
    errors = await asker.errors(road, query)
    assert [error["extensions"]["code"] for error in errors] == ["COST_EXCEEDED"]
    assert errors[0]["message"].startswith(f"Limit exceeded: {said}")


@pytest.mark.parametrize("road", ["http", "ws"])
@pytest.mark.parametrize(
    ("variables", "refused"), [({"n": 99}, False), ({"n": 101}, True), ({}, False), ({"n": None}, False)]
)
async def test_cost_counts_the_variables_that_are_given(
    asker: Asker, road: str, variables: dict[str, Any], refused: bool
) -> None:
    errors = await asker.errors(road, "query($n: Int = 3) { items(first: $n) { name } }", variables)
    assert bool(errors) is refused


PAGES = {
    "tokens(last: 200) { nodes { trades(last: 200) { nodes { id } } } }": 40_000,
    "tokens(first: 2, last: 100) { nodes { trades { nodes { id } } } }": 5_000,
    "tokens(first: 100) { nodes { chart(interval: M1, fill: PREVIOUS_CLOSE) { open } } }": 144_000,
    "tokens(first: 100) { nodes { chart(interval: M1, from: 86400, to: 172800) { open } } }": 144_000,
    "tokens(first: 100) { nodes { chart(interval: M1, from: 0) { open } } }": 500_000,
    "tokens(first: 100) { nodes { chart(interval: $interval, fill: $fill) { open } } }": 28_800,
    "tokens(first: 100) { nodes { chart(interval: M1, fill: PREVIOUS_CLOSE, countback: 30) { open } } }": 3_000,
    "tokens(first: 100) { nodes { chart(interval: M1) { open } } }": 5_000,
}


@pytest.mark.parametrize(("query", "about"), PAGES.items())
def test_cost_counts_what_the_market_is_asked_for_from_either_end(query: str, about: int) -> None:
    document = parse("query ($interval: ChartInterval!, $fill: CandleFill = PREVIOUS_CLOSE) { %s }" % query)  # noqa: UP031
    operation = get_operation_ast(document)
    assert operation is not None
    for limit, refused in ((about - 1, True), (about * 3, False)):
        settings = Settings(max_cost=limit)
        with pytest.raises(CostExceeded) if refused else nullcontext():
            check_cost(core_schema, document, operation, {"interval": "M5"}, settings)


async def test_an_absurd_slice_costs_no_more_than_a_page(asker: Asker) -> None:
    # The list itself refuses it, with a better message: MAX_PAGE_SIZE.
    check_cost(
        CORE,
        document := parse("{ items(first: 99999999999999999999) { name } }"),
        get_operation_ast(document),  # type: ignore[arg-type]
        {},
        Settings(max_cost=201),
    )


async def test_introspection_may_be_deeper_than_other_queries() -> None:
    query = "{ __schema { types { fields { args { type { ofType { ofType { ofType { name } } } } } } } } }"
    check_shape(parse(query), SETTINGS)
    with pytest.raises(CostExceeded, match="introspection depth"):
        check_shape(parse("{ __schema { queryType { fields { type {" + "ofType {" * 18 + "name" + "}" * 23), SETTINGS)


async def test_introspection_that_goes_round_is_refused(asker: Asker) -> None:
    circle = "fields { type { " * 4 + "name" + " } }" * 4
    for road in ("http", "ws"):
        errors = await asker.errors(road, "{ __schema { types { %s } } }" % circle)  # noqa: UP031
        assert errors[0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_a_refusal_looks_at_each_node_of_the_document_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0
    of_node = limits._of_node

    def counting(node: Any, inner: Any) -> Any:
        nonlocal looked
        looked += 1
        return of_node(node, inner)

    monkeypatch.setattr(limits, "_of_node", counting)
    visits = []
    for levels in (12, 24):
        looked = 0
        check_shape(parse(doubled(levels)), Settings())
        visits.append(looked)
    assert visits[1] <= 2 * visits[0] + 2  # twice the document, twice the work; not 2^12 times


async def test_a_document_with_too_many_tokens_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0
    advance = Lexer.advance

    def counting(lexer: Lexer) -> Any:
        nonlocal read
        read += 1
        return advance(lexer)

    monkeypatch.setattr(Lexer, "advance", counting)
    with pytest.raises(Refused):
        Documents(CORE, Settings()).read("{" + " hello" * 60_000 + "}")
    assert read == 0


TOKENS = [
    "{ hello }",
    "{ hello # not # a token\n }",
    '{ hello(name: "{ a b } # \\" c") }',
    '{ hello(name: """a "b" \\""" { c\n# d""") hello2: hello(name: "") hello3: hello(name: """""") }',
    "query A($n: Int! = -1, $s: String!) { hello(times: $n, name: $s) @skip(if: false) }",
    "{ item { ...f ... on Item { name } } } fragment f on Item { name }",
]


def _count(text: str) -> int:
    """By graphql-core's own lexer."""
    token: Token | None = lex(text)
    count = 0
    while token is not None and token.kind is not TokenKind.EOF:
        count += token.kind is not TokenKind.SOF
        token = token.next
    return count


def lex(text: str) -> Token:
    """The first token of a chain that holds them all."""
    lexer = Lexer(Source(text))
    start = lexer.token
    while lexer.advance().kind is not TokenKind.EOF:
        pass
    return start


@pytest.mark.parametrize("query", TOKENS)
async def test_a_token_is_what_the_lexer_calls_one(query: str) -> None:
    count = _count(query)
    Documents(CORE, Settings(max_tokens=count)).read(query)
    with pytest.raises(Refused, match="tokens, at most"):
        Documents(CORE, Settings(max_tokens=count - 1)).read(query)


@pytest.mark.parametrize("text", ['"' * 4_000, '"""a\n' * 2_000, "#" + "a" * 4_000, "{" + "\\" * 4_000])
async def test_text_that_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        Documents(CORE, Settings()).read(text)


async def test_names_that_repeat_are_bounded_before_they_are_compared_in_pairs() -> None:
    repeated = "{" + "item { name } " * 300 + "}"
    with pytest.raises(Refused) as refused:
        Documents(CORE, Settings()).read(repeated)
    assert "repeated field names" in str(refused.value.errors[0])
    Documents(CORE, Settings()).read("{" + "item { name } " * 60 + "}")


async def test_fragments_in_a_circle_end_in_an_error_and_not_in_a_loop(asker: Asker) -> None:
    query = "{ item { ...a } } fragment a on Item { ...b } fragment b on Item { ...a }"
    for road in ("http", "ws"):
        assert (await asker.errors(road, query))[0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


async def test_a_long_chain_of_fragments_is_refused_and_not_an_error_of_ours() -> None:
    chain = "".join(f"fragment f{n} on Item {{ ... {{ ... {{ ...f{n + 1} }} }} }} " for n in range(140))
    with pytest.raises(Refused) as refused:
        Documents(CORE, Settings()).read("{ item { ...f0 } } " + chain + "fragment f140 on Item { name }")
    assert isinstance(refused.value.errors[0], GraphQLError)


DEEP = {
    "selections": "{" * 900,
    "closed selections": "{ item " * 190 + "}" * 190,
    "a list": "{ hello(name: " + "[" * 380,
    "an object": "{ hello(name: " + "{a:" * 190,
    "a type": "query($a: " + "[" * 380 + "Int" + ") { hello }",
}


@pytest.mark.parametrize("road", ["http", "ws"])
@pytest.mark.parametrize("name", DEEP)
async def test_a_deeply_nested_document_is_refused(asker: Asker, road: str, name: str) -> None:
    errors = await asker.errors(road, DEEP[name])
    assert errors[0]["extensions"]["code"] in ("GRAPHQL_PARSE_FAILED", "COST_EXCEEDED")


async def test_documents_are_kept_within_bounds() -> None:
    documents = Documents(CORE, SETTINGS)
    first = documents.read("{ hello }")
    assert documents.read("{ hello }") is first
    for number in range(1_000):
        documents.read(f'{{ hello(name: "{number}") }}')
    assert documents.read("{ hello }") is not first
