"""The cost of one operation with its variables, by the `@cost` of its fields, before it runs."""

import time
from collections.abc import Mapping
from typing import Any, Final

from graphql import (
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Undefined,
    ValueNode,
    VariableNode,
    get_named_type,
    is_composite_type,
    is_leaf_type,
)

from app.domain.candles import DAY, Interval
from app.schema.chart_views import MAX_CANDLES
from app.schema.directives import Cost
from app.schema.enums import CandleFill
from app.schema.fragments import Fragments
from app.schema.limits import exceeded
from app.settings import Settings

_UNSAID_MULTIPLIER: Final = 50
"""Taken for a slicing argument that neither the document nor the schema gives a value."""
_COUNTBACK: Final = "countback"
_PAGE_LIMIT: Final = 201
"""`first` and `last` count at most this much: more than 200 is refused with MAX_PAGE_SIZE by the list itself."""


def check_cost(
    schema: GraphQLSchema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    variables: Mapping[str, Any],
    settings: Settings,
) -> None:
    """Raises CostExceeded when the operation, with these variables, may cost more than `max_cost`.

    A field costs its `@cost` weight (without one: 1 for an object, 0 for a value) plus what is selected of it, times
    the value (or length) of the argument that `@cost` names.
    """
    cost = _Costs(schema, document, operation, variables).whole()
    if cost > settings.max_cost:
        raise exceeded("cost", settings.max_cost, f"The operation may cost {_number(cost)}; ask for shorter lists.")


class _Costs:
    """The cost of one operation with its variables. The document is valid: types and fields exist."""

    def __init__(
        self,
        schema: GraphQLSchema,
        document: DocumentNode,
        operation: OperationDefinitionNode,
        variables: Mapping[str, Any],
    ) -> None:
        self._schema = schema
        self._operation = operation
        self._variables = {d.variable.name.value: d.default_value for d in operation.variable_definitions or ()}
        self._variables |= variables
        self._fragment = Fragments(document).memo(self._fragment_cost, 0)

    def whole(self) -> int:
        root = self._schema.get_root_type(self._operation.operation)
        return self._selections(self._operation.selection_set, root)

    def _fragment_cost(self, fragment: FragmentDefinitionNode) -> int:
        return self._selections(fragment.selection_set, self._schema.get_type(fragment.type_condition.name.value))

    def _selections(self, selections: SelectionSetNode, parent: GraphQLNamedType | None) -> int:
        cost = 0
        for each in selections.selections:
            if isinstance(each, FragmentSpreadNode):
                cost += self._fragment(each.name.value)
            elif isinstance(each, InlineFragmentNode):
                condition = each.type_condition
                inner = self._schema.get_type(condition.name.value) if condition else parent
                cost += self._selections(each.selection_set, inner)
            elif isinstance(each, FieldNode):
                cost += self._field(each, parent)
        return cost

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None) -> int:
        if not is_composite_type(parent) or node.name.value.startswith("__"):
            return 0
        field = self._schema.get_field(parent, node.name.value)
        if field is None:
            return 0
        output = get_named_type(field.type)
        declared = _declared_cost(field)
        weight = declared.weight if declared else int(not is_leaf_type(output))
        inner = self._selections(node.selection_set, output) if node.selection_set else 0
        multiplier = declared.multiplier if declared else None
        return self._times(node, field, multiplier) * (weight + inner) if multiplier else weight + inner

    def _times(self, node: FieldNode, field: GraphQLField, argument: str) -> int:
        if argument == _COUNTBACK:
            return self._candles(node, field)
        if argument != "first":
            return _size(self._argument(node, field, argument))
        # A page may be asked for from either end.
        sizes = [size for name in ("first", "last") if (size := self._argument(node, field, name)) is not None]
        return min(max(map(_size, sizes), default=_UNSAID_MULTIPLIER), _PAGE_LIMIT)

    def _candles(self, node: FieldNode, field: GraphQLField) -> int:
        """Those that `countback` counts, or those of the range where it is told or filled, so that all are there."""
        interval, start, end, countback, fill = (
            self._argument(node, field, name) for name in ("interval", "from", "to", _COUNTBACK, "fill")
        )
        width, counted = Interval.__members__.get(str(interval)), _size(countback)
        is_day = not countback and fill == CandleFill.PREVIOUS_CLOSE.name
        if width is None or not (isinstance(start, int) or is_day):
            return counted
        last = end if isinstance(end, int) else int(time.time())
        slots = (last - (start if isinstance(start, int) else last - DAY)) // width.seconds
        return max(counted if countback else 1, min(slots, MAX_CANDLES))

    def _argument(self, node: FieldNode, field: GraphQLField, name: str) -> Any:
        given = next((each.value for each in node.arguments or () if each.name.value == name), None)
        value = self._value(given)
        if value is None and name in field.args and field.args[name].default_value is not Undefined:
            value = field.args[name].default_value
        return value

    def _value(self, given: ValueNode | None) -> Any:
        if isinstance(given, VariableNode):
            given = self._variables.get(given.name.value)
        if isinstance(given, IntValueNode):
            return int(given.value) if len(given.value) < 12 else 10**12
        if isinstance(given, EnumValueNode):
            return given.value
        return given.values if isinstance(given, ListValueNode) else given


def _size(value: Any) -> int:
    if isinstance(value, list | tuple):
        return len(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return max(value, 0)
    return _UNSAID_MULTIPLIER


def _declared_cost(field: GraphQLField) -> Cost | None:
    definition = field.extensions.get("strawberry-definition")
    directives = definition.directives if definition else ()
    return next((each for each in directives if isinstance(each, Cost)), None)


def _number(cost: int) -> str:
    return f"{cost:,}" if cost < 10**12 else "more than 1,000,000,000,000"
