"""The compiled selections of one document: one for each operation and each outcome of its `@skip` and `@include`."""

from collections import OrderedDict
from collections.abc import Awaitable
from typing import Any, Final, NamedTuple

from graphql import (
    DirectiveNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    visit,
)
from graphql.execution.values import VariableValues

from app.execution.compiled_runs import Otherwise, Run, execute
from app.execution.compiled_selection import Plan, compile_selection
from app.execution.resolvers import ResolverInfo

_MOST_PLANS: Final = 16
"""Of one document: eight conditions have 256 outcomes, and who sends them all is served by graphql-core."""
_MOST_FIELDS: Final = 20_000
"""Of all plans together: 40 MB."""


class Bound(NamedTuple):
    """A plan with the arguments that the variables give its fields."""

    plan: Plan
    arguments: tuple[dict[str, Any], ...]

    def respond(self, root_value: object, context: object, otherwise: Otherwise) -> bytes | Awaitable[bytes]:
        """The response; at once where nothing has to be waited for."""
        run = Run(self.arguments, ResolverInfo(context, root_value))
        return execute(self.plan.select, run, otherwise)


class Shelf:
    """The plans of all documents, as far as memory is given to them; those that were not used for longest go."""

    def __init__(self) -> None:
        self._plans: OrderedDict[tuple[object, ...], Plan] = OrderedDict()
        self._size = 0

    def take(self, key: tuple[object, ...]) -> Plan | None:
        plan = self._plans.get(key)
        if plan is not None:
            self._plans.move_to_end(key)
        return plan

    def put(self, key: tuple[object, ...], plan: Plan) -> None:
        self._plans[key] = plan
        self._size += plan.size
        while self._size > _MOST_FIELDS:
            self._size -= self._plans.popitem(last=False)[1].size


class Plans:
    """Made with the document and kept with it."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, shelf: Shelf) -> None:
        self._schema = schema
        self._document = document
        self._shelf = shelf
        self._conditions: tuple[str, ...] | None = None
        self._seen: set[tuple[object, ...]] = set()
        self._refused: set[tuple[object, ...]] = set()

    def bind(self, operation: OperationDefinitionNode, variables: VariableValues) -> Bound | None:
        """None for what only graphql-core can execute: whatever is wrong, the errors are its own."""
        plan = self._plan(operation, variables)
        if plan is None:
            return None
        try:
            return Bound(plan, tuple(slot.bind(variables) for slot in plan.slots))
        except Exception:  # a scalar or an input type may raise anything at what a client sends
            return None

    def _plan(self, operation: OperationDefinitionNode, variables: VariableValues) -> Plan | None:
        if self._conditions is None:
            self._conditions = _conditions(self._document)
        name = operation.name.value if operation.name is not None else None
        key = (self, name, *(variables.coerced.get(condition) for condition in self._conditions))
        plan = self._shelf.take(key)
        if plan is None and self._is_worth_it(key, operation):
            plan = self._compiled(operation, variables)
            if plan is None:
                self._refused.add(key)
            else:
                self._shelf.put(key, plan)
        return plan

    def _is_worth_it(self, key: tuple[object, ...], operation: OperationDefinitionNode) -> bool:
        """Compiling costs as much as to execute twice: for every event of a subscription, but not for a query that is
        never sent again."""
        if key in self._refused:
            return False
        is_new = key not in self._seen
        if is_new and len(self._seen) < _MOST_PLANS:
            self._seen.add(key)
        return key in self._seen and (operation.operation is OperationType.SUBSCRIPTION or not is_new)

    def _compiled(self, operation: OperationDefinitionNode, variables: VariableValues) -> Plan | None:
        fragments = {
            each.name.value: each for each in self._document.definitions if isinstance(each, FragmentDefinitionNode)
        }
        try:
            return compile_selection(self._schema, fragments, operation, variables)
        except Exception:  # not covered, or the arguments are refused
            return None


def _conditions(document: DocumentNode) -> tuple[str, ...]:
    """Variables that `@skip` and `@include` depend on."""
    found: dict[str, None] = {}

    class Collector(Visitor):
        def enter_directive(self, node: DirectiveNode, *_: object) -> None:
            for argument in node.arguments or ():
                if isinstance(argument.value, VariableNode):
                    found[argument.value.name.value] = None

    visit(document, Collector())
    return tuple(found)
