"""A Strawberry field's resolver, called without graphql-core and Strawberry in between."""

from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import isasyncgenfunction
from typing import Any, Final

from graphql import FieldNode, GraphQLField, GraphQLSchema
from graphql.execution.values import VariableValues, get_argument_values
from strawberry import Schema
from strawberry.types.arguments import convert_arguments
from strawberry.types.field import StrawberryField

_DEFINITION: Final = "strawberry-definition"


class Uncovered(Exception):
    """Only graphql-core executes this as it must be executed."""


class ResolverInfo:
    """What resolvers are given as `info`: of Strawberry's only what can be had for nothing."""

    __slots__ = ("context", "root_value")

    def __init__(self, context: object, root_value: object) -> None:
        self.context = context
        self.root_value = root_value


@dataclass(frozen=True, slots=True)
class Resolver:
    """A function that resolves a field, and how it takes what it needs."""

    function: Callable[..., Any]
    is_async: bool
    takes_source_first: bool
    source_names: tuple[str, ...]
    """Parameters that are the object the field is of."""
    info_name: str | None
    _schema: Schema = field(repr=False)
    _field: GraphQLField = field(repr=False)
    _definition: StrawberryField = field(repr=False)

    @property
    def takes_arguments(self) -> bool:
        return bool(self._field.args)

    def arguments(self, node: FieldNode, variables: VariableValues) -> dict[str, Any]:
        """What the client gave, coerced by graphql-core and converted by Strawberry. Raises whatever they raise."""
        given = get_argument_values(self._field, node, variables)
        registry, config = self._schema.schema_converter.scalar_registry, self._schema.config
        return convert_arguments(given, self._definition.arguments, registry, config)

    def call(self, source: object, info: ResolverInfo, arguments: dict[str, Any]) -> Any:
        """The result, or an awaitable of it."""
        named = dict.fromkeys(self.source_names, source) | arguments
        if self.info_name is not None:
            named[self.info_name] = info
        return self.function(source, **named) if self.takes_source_first else self.function(**named)


def definition_of(schema: GraphQLSchema, graphql_field: GraphQLField) -> StrawberryField:
    """Raises Uncovered for a field that Strawberry did not make, or that more than its resolver stands behind."""
    definition = graphql_field.extensions.get(_DEFINITION)
    if not isinstance(definition, StrawberryField) or definition.extensions:
        raise Uncovered
    strawberry_schema = strawberry_of(schema)
    if (
        strawberry_schema.schema_converter.exception_handlers
        or strawberry_schema.config.default_resolver is not getattr
    ):
        raise Uncovered
    return definition


def resolver_of(schema: GraphQLSchema, graphql_field: GraphQLField) -> Resolver | None:
    """None for an attribute of the object that the field is of. Raises Uncovered."""
    definition = definition_of(schema, graphql_field)
    resolver = definition.base_resolver
    if resolver is None:
        return None
    function = resolver.wrapped_func
    if isinstance(function, staticmethod | classmethod) or isasyncgenfunction(function):
        raise Uncovered
    sources = (resolver.parent_parameter, resolver.root_parameter)
    return Resolver(
        function=function,
        is_async=resolver.is_async,
        takes_source_first=resolver.self_parameter is not None,
        source_names=tuple(dict.fromkeys(parameter.name for parameter in sources if parameter is not None)),
        info_name=resolver.info_parameter.name if resolver.info_parameter is not None else None,
        _schema=strawberry_of(schema),
        _field=graphql_field,
        _definition=definition,
    )


def strawberry_of(schema: GraphQLSchema) -> Schema:
    """The Strawberry schema that graphql-core's was made from."""
    made_from: Schema = schema._strawberry_schema  # type: ignore[attr-defined]  # Strawberry leaves it there
    return made_from
