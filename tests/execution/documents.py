"""Random documents over a schema, valid by how they are made, with variables that are mostly right."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLObjectType,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_enum_type,
    is_input_object_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

_MOST_DEPTH = 4
_NULL = "null"


@dataclass(frozen=True)
class Document:
    """A document with its variables."""

    text: str
    variables: Mapping[str, Any]


@dataclass
class Writer:
    """Writes one document. `known` are values for arguments of that name; `untold` fields that no two executions agree
    on."""

    schema: GraphQLSchema
    dice: random.Random
    known: Mapping[str, Sequence[Any]]
    untold: frozenset[str] = frozenset()
    variables: dict[str, Any] = field(default_factory=dict)
    declared: list[str] = field(default_factory=list)
    fragments: list[str] = field(default_factory=list)
    aliases: int = 0

    def query(self) -> Document:
        root = self.schema.query_type
        assert root is not None
        return self._document("query", self._selection(root, 0))

    def subscription(self, name: str) -> Document:
        """One of that root field."""
        root = self.schema.subscription_type
        assert root is not None
        return self._document("subscription", f"{{ {self._field(root, name, 0)} }}")

    def _document(self, kind: str, selection: str) -> Document:
        declared = f"({', '.join(self.declared)})" if self.declared else ""
        return Document("\n".join([f"{kind} Random{declared} {selection}", *self.fragments]), self.variables)

    def _selection(self, type_: Any, depth: int) -> str:
        names = [name for name in type_.fields if f"{type_.name}.{name}" not in self.untold]
        if depth >= _MOST_DEPTH or self.dice.random() < depth / _MOST_DEPTH / 2:
            names = [name for name in names if is_leaf_type(get_named_type(type_.fields[name].type))]
        chosen = [self._item(type_, names, depth) for _ in range(self.dice.randint(1, 4))]
        return f"{{ {' '.join(chosen)} }}"

    def _item(self, type_: Any, names: Sequence[str], depth: int) -> str:
        roll = self.dice.random()
        if roll < 0.06 or not names:
            return f"{self._alias()}__typename{self._condition()}"
        if roll < 0.14:
            return f"...{self._on(type_)}{self._condition()} {self._selection(type_, depth)}"
        if roll < 0.22:
            return f"...{self._fragment(type_, depth)}{self._condition()}"
        text = self._field(type_, self.dice.choice(names), depth)
        # Equal fields are merged.
        return f"{text} {text}" if roll < 0.27 else text

    def _on(self, type_: Any) -> str:
        return self.dice.choice(("", f" on {type_.name}"))

    def _fragment(self, type_: Any, depth: int) -> str:
        name = f"Part{len(self.fragments)}"
        self.fragments.append("")
        self.fragments[int(name[4:])] = f"fragment {name} on {type_.name} {self._selection(type_, depth)}"
        return name

    def _field(self, type_: Any, name: str, depth: int) -> str:
        graphql_field = type_.fields[name]
        inner = get_named_type(graphql_field.type)
        # Only fields that are the same wherever they are asked for may go by their own names.
        is_same = is_leaf_type(inner) and not graphql_field.args and self.dice.random() < 0.5
        alias = "" if is_same else self._alias()
        text = f"{alias}{name}{self._arguments(graphql_field.args)}{self._condition() if depth else ''}"
        return text if is_leaf_type(inner) else f"{text} {self._composite(inner, depth + 1)}"

    def _composite(self, type_: Any, depth: int) -> str:
        if not is_abstract_type(type_):
            return self._selection(type_, depth)
        possible: list[GraphQLObjectType] = self.dice.sample(list(self.schema.get_possible_types(type_)), 3)
        parts = [f"... on {each.name} {self._selection(each, depth)}" for each in possible]
        return f"{{ __typename {' '.join(parts)} }}"

    def _alias(self) -> str:
        """One of its own: no two fields of one name differ."""
        self.aliases += 1
        return f"a{self.aliases}: "

    def _condition(self) -> str:
        if self.dice.random() < 0.85:
            return ""
        name = self.dice.choice(("skip", "include"))
        value = self._variable("Boolean!", self.dice.random() < 0.5) if self.dice.random() < 0.6 else "true"
        return f" @{name}(if: {value})"

    def _arguments(self, arguments: Mapping[str, GraphQLArgument]) -> str:
        given = [
            f"{name}: {self._argument(name, each.type)}"
            for name, each in arguments.items()
            if is_non_null_type(each.type) or self.dice.random() < 0.3
        ]
        return f"({', '.join(given)})" if given else ""

    def _argument(self, name: str, type_: GraphQLInputType) -> str:
        value = self._value(name, type_, 0)
        if self.dice.random() < 0.5:
            return _literal(value, type_)
        return self._variable(str(type_), value)

    def _variable(self, type_: str, value: Any) -> str:
        name = f"v{len(self.declared)}"
        self.declared.append(f"${name}: {type_}")
        roll = self.dice.random()
        if roll < 0.01 and type_ != "Boolean!":
            self.variables[name] = {"what": "is this"}
        elif roll < 0.95 or type_.endswith("!"):
            self.variables[name] = value
        return f"${name}"

    def _value(self, name: str, type_: Any, depth: int) -> Any:
        """As in the variables of a request."""
        if is_non_null_type(type_):
            type_ = type_.of_type
        elif self.dice.random() < 0.05:
            return None
        if is_list_type(type_):
            inner = type_.of_type.of_type if is_non_null_type(type_.of_type) else type_.of_type
            return [self._present(name, inner, depth) for _ in range(self.dice.randint(0, 3))]
        return self._present(name, type_, depth)

    def _present(self, name: str, type_: Any, depth: int) -> Any:
        if is_enum_type(type_):
            return self.dice.choice(list(type_.values))
        if is_input_object_type(type_):
            return self._input(type_, depth)
        return self.dice.choice(self.known.get(name) or _SCALARS[type_.name])

    def _input(self, type_: GraphQLInputObjectType, depth: int) -> dict[str, Any]:
        flat = [name for name, each in type_.fields.items() if not is_input_object_type(get_named_type(each.type))]
        names = flat if depth > 1 else list(type_.fields)
        needed = [name for name, each in type_.fields.items() if is_non_null_type(each.type)]
        chosen = dict.fromkeys([*needed, *(self.dice.choice(names) for _ in range(2) if names)])
        return {name: self._value(name, type_.fields[name].type, depth + 1) for name in chosen}


_SCALARS: Mapping[str, Sequence[Any]] = {
    "Int": (0, 1, 2, 5, 300, -1),
    "Float": (0, 0.5, 3, 1e9),
    "String": ("nothing", ""),
    "Boolean": (True, False),
    "ID": ("nothing", "VG9rZW46eA=="),
    "BigInt": ("0", "1000000000"),
    "BigDecimal": ("0.001",),
    "DateTime": ("2026-01-31T23:59:59.000Z",),
}


def _literal(value: Any, type_: Any) -> str:
    if is_non_null_type(type_):
        return _literal(value, type_.of_type)
    if value is None:
        return _NULL
    if is_list_type(type_):
        return f"[{', '.join(_literal(each, type_.of_type) for each in value)}]"
    if isinstance(type_, GraphQLEnumType):
        return str(value)
    if is_input_object_type(type_):
        return f"{{{', '.join(f'{name}: {_literal(each, type_.fields[name].type)}' for name, each in value.items())}}}"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else repr(value)
