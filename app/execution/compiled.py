"""The compiled selections of one document: one for each operation and each outcome of its `@skip` and `@include`."""

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


class Bound(NamedTuple):
    """A plan with the arguments that the variables give its fields."""

    plan: Plan
    arguments: tuple[dict[str, Any], ...]

    def respond(self, root_value: object, context: object, otherwise: Otherwise) -> bytes | Awaitable[bytes]:
        """The response; at once where nothing has to be waited for."""
        run = Run(self.arguments, ResolverInfo(context, root_value))
        return execute(self.plan.select, run, otherwise)


class Plans:
    """Made with the document and kept with it."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._document = document
        self._conditions: tuple[str, ...] | None = None
        self._plans: dict[tuple[object, ...], Plan | None] = {}
        self._seen: set[tuple[object, ...]] = set()

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
        key = (name, *(variables.coerced.get(condition) for condition in self._conditions))
        if key not in self._plans and self._is_worth_it(key, operation):
            self._plans[key] = self._compiled(operation, variables)
        return self._plans.get(key)

    def _is_worth_it(self, key: tuple[object, ...], operation: OperationDefinitionNode) -> bool:
        """Compiling costs as much as to execute twice: for every event of a subscription, but not for a query that is
        never sent again."""
        is_new = key not in self._seen
        if len(self._seen) < _MOST_PLANS:
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
