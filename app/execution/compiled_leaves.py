"""Scalars and enums: an expression for the value that is expected, graphql-core's own coercion for all others."""

from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from types import GeneratorType
from typing import Any, Final

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLBoolean,
    GraphQLFloat,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
    Undefined,
)
from graphql.pyutils import is_awaitable
from strawberry.schema.schema_converter import CustomGraphQLEnumType

from app.execution.compiled_code import Code
from app.execution.resolvers import Uncovered

_AS_IT_IS: Final = {
    GraphQLString: "{first}.__class__ is str",
    GraphQLID: "{first}.__class__ is str",
    GraphQLBoolean: "{first}.__class__ is bool",
    GraphQLInt: f"{{first}}.__class__ is int and {GRAPHQL_MIN_INT} <= {{again}} <= {GRAPHQL_MAX_INT}",
    # Of all floats only infinities and "not a number" differ from themselves by anything but nothing.
    GraphQLFloat: "{first}.__class__ is float and {again} - {again} == 0.0",
}
"""When a value is in the response as it is."""
_PLAIN: Final = frozenset((str, int, float, bool, Decimal, datetime))
"""Neither errors nor awaitables: their scalar may serialize them."""


def leaf(code: Code, type_: GraphQLLeafType, source: str, *, is_nullable: bool) -> str:
    """The value of the expression `source` as the response shows it."""
    otherwise = code.value(_completion(type_, is_nullable=is_nullable))
    first, again = (source, source) if source.isidentifier() else (f"(found := {source})", "found")
    if type_ in _AS_IT_IS:
        test = _AS_IT_IS[type_].format(first=first, again=again)
        null = f" or {again} is None" if is_nullable else ""
        return f"({again} if {test}{null} else {otherwise}({again}))"
    if isinstance(type_, CustomGraphQLEnumType):
        shown = f"{code.value(_names(type_).get)}(id({first}))"
    else:
        shown = f"{code.value(type_.coerce_output_value)}({again})"
        shown = f"{shown} if {first}.__class__ in {code.value(_PLAIN)} else None"
    return f"(shown if (shown := {shown}) is not None else {otherwise}({again}))"


def is_plain(value: object) -> bool:
    """Whether it is a value: errors and awaitables that a resolver returned are graphql-core's."""
    return not (isinstance(value, Exception | GeneratorType) or is_awaitable(value))


def _completion(type_: GraphQLLeafType, *, is_nullable: bool) -> Callable[[object], object]:
    coerce = type_.coerce_output_value

    def complete(value: object) -> object:
        if value is None and is_nullable:
            return None
        coerced = coerce(value) if value is not None and is_plain(value) else None
        if coerced is None or coerced is Undefined:
            raise Uncovered
        return coerced

    return complete


def _names(type_: CustomGraphQLEnumType) -> dict[int, Any]:
    """By the identity of each member, which is the only object of its kind: hashing a member costs more."""
    shown = {value.value for value in type_.values.values()}
    members: Iterable[Any] = type_.wrapped_cls
    return {id(member): type_.coerce_output_value(member) for member in members if member.value in shown}
