"""A validated selection to one function from root value to response data. graphql-core collects the fields: fragments,
`@skip`, `@include` and fields that are asked for twice are its own doing."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLAbstractType,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLSchema,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    ValueNode,
    VariableNode,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
)
from graphql.execution.collect_fields import (
    FieldDetailsList,
    FragmentDetails,
    GroupedFieldSet,
    collect_fields,
    collect_subfields,
)
from graphql.execution.values import VariableValues
from graphql.pyutils import is_iterable

from app.execution.compiled_code import Code
from app.execution.compiled_leaves import is_plain, leaf
from app.execution.compiled_runs import Run, apart, begin, postpone
from app.execution.resolvers import Resolver, Uncovered, definition_of, resolver_of

_MOST_FIELDS: Final = 500
"""Fragments stand for more fields than they have. So many take 25 ms to compile, in which nobody else is served."""


class Slot(NamedTuple):
    """A field whose arguments are bound before the selection runs."""

    resolver: Resolver
    node: FieldNode
    constant: dict[str, Any] | None
    """The arguments where they depend on no variable: resolvers leave them as they are."""

    def bind(self, variables: VariableValues) -> dict[str, Any]:
        """Raises what coercion and conversion raise."""
        return self.resolver.arguments(self.node, variables) if self.constant is None else self.constant


class Plan(NamedTuple):
    """A compiled selection."""

    select: Callable[[object, Run], dict[str, object]]
    slots: tuple[Slot, ...]
    """The arguments of a `Run`, in this order."""
    size: int
    """Fields: each takes about 2 KB of memory."""


def compile_selection(
    schema: GraphQLSchema,
    fragments: Mapping[str, FragmentDefinitionNode],
    operation: OperationDefinitionNode,
    variables: VariableValues,
) -> Plan:
    """The plan, also for all other variables that skip and include the same. Raises Uncovered and GraphQLError."""
    root = schema.get_root_type(operation.operation)
    if root is None or operation.operation is OperationType.MUTATION:
        raise Uncovered
    details = {name: FragmentDetails(definition) for name, definition in fragments.items()}
    fields = collect_fields(schema, details, variables, root, operation).grouped_field_set
    compiler = _Compiler(schema, details, operation, variables)
    select = compiler.code.linked(compiler.root(root, fields))
    return Plan(partial(apart, select) if compiler.begins else select, tuple(compiler.slots), compiler.size)


class _Compiler:
    def __init__(
        self,
        schema: GraphQLSchema,
        fragments: dict[str, FragmentDetails],
        operation: OperationDefinitionNode,
        variables: VariableValues,
    ) -> None:
        self.code = Code()
        self.slots: list[Slot] = []
        self.begins = False
        """Whether coroutines are begun: see `apart`."""
        self._schema = schema
        self._fragments = fragments
        self._operation = operation
        self._variables = variables
        self.size = 0
        self._depth = 0
        self._plain: set[type] = set()

    def root(self, type_: GraphQLObjectType, fields: GroupedFieldSet) -> str:
        if self._operation.operation is OperationType.SUBSCRIPTION:
            # The root value of an event is what its one field shows.
            [(name, details)] = fields.items()
            shown = self._value(self._type(type_, details), details, "value")
            return self.code.function("value, run", [f"return {{{self.code.value(name)}: {shown}}}"])
        return self.code.function("value, run", self._fields(type_, fields, self.code.value(postpone)))

    def _object(self, type_: GraphQLObjectType, details: FieldDetailsList) -> str:
        """A function from the object to its data."""
        fields = collect_subfields(
            self._schema, self._fragments, self._variables, self._operation, type_, details
        ).grouped_field_set
        lines = [
            f"if value.__class__ not in {self.code.value(self._plain)}:",
            f"    {self.code.value(self._check)}(value)",
        ]
        if type_.is_type_of is not None:
            lines += [
                f"if not {self.code.value(type_.is_type_of)}(value, run.info):",
                f"    {self.code.value(_refuse)}()",
            ]
        return self.code.function("value, run", [*lines, *self._fields(type_, fields, self.code.value(begin))])

    def _check(self, value: object) -> None:
        """Once for each class of objects."""
        if value is None or not is_plain(value):
            raise Uncovered
        self._plain.add(value.__class__)

    def _fields(self, type_: GraphQLObjectType, fields: GroupedFieldSet, begin: str) -> list[str]:
        entries, begun = [], []
        for name, details in fields.items():
            key = self.code.value(name)
            value, complete = self._field(type_, details)
            entries.append(f"{key}: {value if complete is None else None}")
            if complete is not None:
                begun.append(f"{begin}({value}, data, {key}, {complete}, run)")
        data = f"{{{', '.join(entries)}}}"
        return [f"data = {data}", *begun, "return data"] if begun else [f"return {data}"]

    def _field(self, type_: GraphQLObjectType, details: FieldDetailsList) -> tuple[str, str | None]:
        """An expression for the field; where that is a coroutine also a function that completes its result."""
        self.size += 1
        if self.size > _MOST_FIELDS or details[0].fragment_variable_values is not None:
            raise Uncovered
        node = details[0].node
        if node.name.value == "__typename":
            return self.code.value(type_.name), None
        field = self._schema.get_field(type_, node.name.value)
        if field is None:
            raise Uncovered
        resolver = resolver_of(self._schema, field)
        if resolver is None:
            attribute = definition_of(self._schema, field).python_name
            return self._value(field.type, details, f"value.{attribute}"), None
        call = self._call(resolver, node)
        if not resolver.is_async:
            return self._value(field.type, details, call), None
        self.begins = True
        return call, self.code.function("value, run", [f"return {self._value(field.type, details, 'value')}"])

    def _call(self, resolver: Resolver, node: FieldNode) -> str:
        given = ["value"] if resolver.takes_source_first else []
        given += [f"{name}=value" for name in resolver.source_names]
        given += [f"{resolver.info_name}=run.info"] if resolver.info_name is not None else []
        if resolver.takes_arguments:
            given.append(f"**run.arguments[{len(self.slots)}]")
            constant = None if _has_variables(node) else resolver.arguments(node, self._variables)
            self.slots.append(Slot(resolver, node, constant))
        return f"{self.code.value(resolver.function)}({', '.join(given)})"

    def _type(self, type_: GraphQLObjectType, details: FieldDetailsList) -> GraphQLOutputType:
        field = self._schema.get_field(type_, details[0].node.name.value)
        if field is None:
            raise Uncovered
        definition_of(self._schema, field)
        return field.type

    def _value(self, type_: GraphQLOutputType, details: FieldDetailsList, source: str) -> str:
        """An expression that completes the value of the expression `source`."""
        is_nullable = not is_non_null_type(type_)
        inner: Any = type_ if is_nullable else type_.of_type  # type: ignore[union-attr]  # narrowed by the line above
        if is_leaf_type(inner):
            return leaf(self.code, inner, source, is_nullable=is_nullable)
        first, again = (
            (source, source) if not is_nullable or source.isidentifier() else (f"(found := {source})", "found")
        )
        completed = self._list(inner, details, again) if is_list_type(inner) else self._composite(inner, details, again)
        return f"(None if {first} is None else {completed})" if is_nullable else completed

    def _list(self, type_: Any, details: FieldDetailsList, source: str) -> str:
        self._depth += 1
        item = f"item_{self._depth}"
        completed = self._value(type_.of_type, details, item)
        return f"[{completed} for {item} in {self.code.value(_items)}({source})]"

    def _composite(self, type_: Any, details: FieldDetailsList, source: str) -> str:
        if is_object_type(type_):
            function = self._object(type_, details)
        elif is_abstract_type(type_):
            function = self._abstract(type_, details)
        else:
            raise Uncovered
        return f"{function}({source}, run)"

    def _abstract(self, type_: GraphQLAbstractType, details: FieldDetailsList) -> str:
        """A function that asks for the type of the value. One that is none of the possible types is a KeyError."""
        if type_.resolve_type is None:
            raise Uncovered
        possible = {
            self.code.value(each.name): self._object(each, details) for each in self._schema.get_possible_types(type_)
        }
        functions = self.code.constant(f"{{{', '.join(f'{name}: {each}' for name, each in possible.items())}}}")
        name = f"{self.code.value(type_.resolve_type)}(value, run.info, {self.code.value(type_)})"
        return self.code.function("value, run", [f"return {functions}[{name}](value, run)"])


def _has_variables(node: FieldNode) -> bool:
    return any(_is_variable(argument.value) for argument in node.arguments or ())


def _is_variable(value: ValueNode) -> bool:
    if isinstance(value, ListValueNode):
        return any(_is_variable(each) for each in value.values or ())
    if isinstance(value, ObjectValueNode):
        return any(_is_variable(each.value) for each in value.fields or ())
    return isinstance(value, VariableNode)


def _items(value: object) -> Any:
    # What can be gone through only once would be used up for graphql-core.
    if value.__class__ is not list and (not is_iterable(value) or isinstance(value, Iterator)):
        raise Uncovered
    return value


def _refuse() -> None:
    raise Uncovered
