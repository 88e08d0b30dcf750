"""The schema is the one that was promised: what is built equals its twin in the target, word by word."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from graphql import (
    DirectiveDefinitionNode,
    DocumentNode,
    EnumTypeDefinitionNode,
    FieldDefinitionNode,
    InputObjectTypeDefinitionNode,
    InputValueDefinitionNode,
    InterfaceTypeDefinitionNode,
    Node,
    ObjectTypeDefinitionNode,
    SchemaDefinitionNode,
    build_schema,
    parse,
    print_ast,
    validate_schema,
)

from app.schema import core_schema, sdl
from app.settings import Settings

_TARGET = Path(__file__).parents[2].parent / "shared" / "design" / "target-schema.graphql"
_UNBUILT_DIRECTIVES = {"cacheControl", "requiresScope"}


def _facts(document: DocumentNode) -> dict[str, tuple[object, ...]]:
    """Everything that a client can see of each definition, by its path."""
    return {path: facts for definition in document.definitions for path, facts in _of(definition, "")}


def _of(node: Node, above: str) -> Iterator[tuple[str, tuple[object, ...]]]:
    if isinstance(node, SchemaDefinitionNode):
        yield "schema", (_description(node),)
        return
    path = f"{above}{node.name.value}"  # type: ignore[attr-defined]
    yield path, (type(node).__name__, _description(node), _directives(node), *_shape(node))
    if isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode | InputObjectTypeDefinitionNode):
        for field in node.fields or ():
            yield from _of(field, f"{path}.")
    if isinstance(node, EnumTypeDefinitionNode):
        for value in node.values or ():
            yield from _of(value, f"{path}.")
    if isinstance(node, FieldDefinitionNode | DirectiveDefinitionNode):
        for argument in node.arguments or ():
            yield from _of(argument, f"{path}(")


def _shape(node: Node) -> tuple[object, ...]:
    if isinstance(node, FieldDefinitionNode):
        return (print_ast(node.type),)
    if isinstance(node, InputValueDefinitionNode):
        return (print_ast(node.type), print_ast(node.default_value) if node.default_value else None)
    if isinstance(node, ObjectTypeDefinitionNode | InterfaceTypeDefinitionNode):
        return (sorted(each.name.value for each in node.interfaces or ()),)
    if isinstance(node, DirectiveDefinitionNode):
        return (sorted(each.value for each in node.locations), node.repeatable)
    return ()


def _description(node: Node) -> str | None:
    description = getattr(node, "description", None)
    return description.value if description else None


def _directives(node: Node) -> list[str]:
    used = [each for each in getattr(node, "directives", None) or () if each.name.value not in _UNBUILT_DIRECTIVES]
    return sorted(print_ast(each) for each in used)


_BUILT = _facts(parse(sdl()))


@pytest.fixture(scope="module")
def target() -> dict[str, tuple[object, ...]]:
    if not _TARGET.is_file():
        pytest.skip("no ../shared/design/target-schema.graphql beside this checkout")
    return _facts(parse(_TARGET.read_text()))


@pytest.mark.parametrize("path", sorted(_BUILT))
def test_what_is_built_equals_its_twin_in_the_target(path: str, target: dict[str, tuple[object, ...]]) -> None:
    assert path in target, f"{path} is not in the target schema"
    assert _BUILT[path] == target[path]


_PROMISED = {
    "Query": "node nodes token tokensByMint tokens trades candles graduations pool status",
    "Subscription": "trades tokenUpdate newTokens graduations",
    "Token": "id mintAddress symbol name decimals currentPrice priceChange5m priceChange1h priceChange24h volume5m "
    "volume1h volume24h marketCap liquidity holders createdAt graduatedAt isGraduated trades chart topHolders asOf "
    "stage bondingCurve pools creator totalSupply stats extremes",
    "TokenFilter": "and or not mintAddress creatorAddress protocol stage quoteMint createdAt lastTradeAt priceUsd "
    "marketCap liquidity curveProgress",
    "TokenOrderField": "CREATED_AT GRADUATED_AT LAST_TRADE_AT MARKET_CAP LIQUIDITY PRICE VOLUME TRADE_COUNT "
    "CURVE_PROGRESS",
    "TradeFilter": "and or not mintAddress traderAddress creatorAddress protocol program side volumeUsd quoteAmount "
    "priceUsd blockTime",
    "ChartInterval": "S1 S5 S15 S30 M1 M5 M15 M30 H1 H4 H12 D1 W1",
}


@pytest.mark.parametrize("type_name", _PROMISED)
def test_everything_that_this_release_promises_is_there(type_name: str) -> None:
    missing = [name for name in _PROMISED[type_name].split() if f"{type_name}.{name}" not in _BUILT]

    assert missing == []


_COMPLETE = (
    "Price ChainPoint BondingCurve TokenStats TokenExtremes Candle GraduationEvent TokenConnection TradeConnection "
    "GraduationEventConnection TokenEdge TradeEdge GraduationEventEdge PageInfo StatsWindow FloatFilter DateTimeFilter "
    "StringFilter TradeOrder TokenOrder"
)


@pytest.mark.parametrize("type_name", _COMPLETE.split())
def test_these_types_have_everything_that_the_target_has(type_name: str, target: dict[str, tuple[object, ...]]) -> None:
    missing = [path for path in target if path.startswith(f"{type_name}.") and path not in _BUILT]

    assert missing == []


def test_the_exported_schema_is_the_one_that_is_served() -> None:
    exported = Settings().contract_dir / "schema.graphql"

    assert exported.read_text() == sdl(), "run `make schema` and read its diff"


def test_the_schema_is_valid_and_introspection_agrees_with_the_export() -> None:
    assert validate_schema(core_schema) == []
    assert sorted(build_schema(sdl()).type_map) == sorted(core_schema.type_map)
    assert (core_schema.description or "").startswith("Curvecast: live launchpad markets")


def test_every_cost_names_an_argument_that_its_field_has() -> None:
    fields = [
        node
        for definition in parse(sdl()).definitions
        if isinstance(definition, ObjectTypeDefinitionNode)
        for node in definition.fields or ()
    ]
    for field in fields:
        for cost in (each for each in field.directives or () if each.name.value == "cost"):
            values = {argument.name.value: argument.value for argument in cost.arguments or ()}
            multiplier = getattr(values.get("multiplier"), "value", None)
            assert multiplier is None or multiplier in {argument.name.value for argument in field.arguments or ()}
