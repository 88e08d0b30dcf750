"""Which variables say only what a subscription begins with: those that differ in nothing else share a group."""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from graphql import FieldNode, Node, SelectionSetNode, VariableNode, Visitor, visit

from app.execution.operations import Operation

_ONCE: Final = frozenset(("after", "start", "countback", "snapshot"))


def beginning_only(operation: Operation) -> frozenset[str]:
    """Names of the variables that are used only in such arguments of the subscription's own field."""
    everywhere, beginning = _uses(operation.document), Counter[str]()
    for field in _root_fields(operation.node.selection_set):
        for argument in field.arguments or ():
            if argument.name.value in _ONCE:
                beginning += _uses(argument)
    # Each is also used where it is defined, once.
    return frozenset(name for name, count in everywhere.items() if count - 1 == beginning[name])


def _root_fields(selections: SelectionSetNode) -> Iterator[FieldNode]:
    """Fields that stand in the operation itself; one in a fragment is not looked at, and shares less."""
    return (each for each in selections.selections if isinstance(each, FieldNode))


def _uses(node: Node) -> Counter[str]:
    found = _Variables()
    visit(node, found)
    return found.names


class _Variables(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.names[node.name.value] += 1
