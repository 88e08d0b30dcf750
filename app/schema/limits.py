"""How much one operation may ask for: depth, aliases, directives, repeated names. Refused before it costs anything.

One walk over the document, with each fragment measured once: time is linear in the document even where fragments,
spread in each other twice, stand for 2^24 fields. The shape is checked before validation, because some validation rules
are quadratic in what the shape bounds. `app.schema.costs` holds the limit that needs types and variables.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from graphql import DocumentNode, FieldNode, FragmentSpreadNode, OperationDefinitionNode, SelectionSetNode

from app.errors import CostExceeded
from app.schema.fragments import Fragments
from app.settings import Settings

MAX_NAME_PAIRS = 20_000
"""Bound on the sum, over field names, of the square of how often a document uses the name: validation compares the
fields of one name pair by pair, at about 5 µs a pair."""
INTROSPECTION_DEPTH = 20
"""What introspection may nest instead of `max_depth`: the full introspection query needs 15."""


class _Shape(NamedTuple):
    depth: int = 0
    introspection_depth: int = 0
    aliases: int = 0
    directives: int = 0

    def beside(self, other: "_Shape") -> "_Shape":
        return _Shape(
            max(self.depth, other.depth),
            max(self.introspection_depth, other.introspection_depth),
            self.aliases + other.aliases,
            self.directives + other.directives,
        )


def check_shape(document: DocumentNode, settings: Settings) -> None:
    """Raises CostExceeded when an operation is too deep, or has too many aliases, directives or repeated names."""
    try:
        shape = _whole_shape(document)
    except RecursionError:
        raise exceeded("depth", settings.max_depth, "Fragments are nested in each other too deeply.") from None
    if shape.depth > settings.max_depth:
        raise exceeded(
            "depth", settings.max_depth, f"The operation is {shape.depth} fields deep; ask for less at once."
        )
    if shape.introspection_depth > INTROSPECTION_DEPTH:
        raise exceeded("introspection depth", INTROSPECTION_DEPTH, "Ask for fewer nested `ofType`.")
    if shape.aliases > settings.max_aliases:
        raise exceeded("aliases", settings.max_aliases, "Use a list field, as tokensByMint, or several requests.")
    if shape.directives > settings.max_directives:
        raise exceeded("directives", settings.max_directives, "Use fewer directives.")
    if _name_pairs(document) > MAX_NAME_PAIRS:
        raise exceeded("repeated field names", MAX_NAME_PAIRS, "Name each field once where it is needed.")


def _whole_shape(document: DocumentNode) -> _Shape:
    fragment = Fragments(document).memo(lambda each: _of_node(each, measure(each.selection_set)), _Shape())

    def measure(selections: SelectionSetNode) -> _Shape:
        shape = _Shape()
        for each in selections.selections:
            if isinstance(each, FragmentSpreadNode):
                inner = fragment(each.name.value)
            else:
                selected: SelectionSetNode | None = getattr(each, "selection_set", None)
                inner = measure(selected) if selected else _Shape()
            shape = shape.beside(_of_node(each, inner))
        return shape

    shape = _Shape()
    for definition in document.definitions:
        if isinstance(definition, OperationDefinitionNode):
            shape = shape.beside(_of_node(definition, measure(definition.selection_set)))
    return shape


def _of_node(node: Any, inner: _Shape) -> _Shape:
    """The shape of a node that has directives, given the shape of what is inside it."""
    inner = inner._replace(directives=inner.directives + len(node.directives or ()))
    if not isinstance(node, FieldNode):
        return inner
    inner = inner._replace(aliases=inner.aliases + (node.alias is not None))
    if node.name.value in ("__schema", "__type"):
        return inner._replace(depth=1, introspection_depth=inner.depth + 1)
    return inner._replace(depth=inner.depth + 1)


def _name_pairs(document: DocumentNode) -> int:
    names: Counter[str] = Counter(field.name.value for field in _fields(document))
    return sum(count * count for count in names.values())


def _fields(document: DocumentNode) -> Iterator[FieldNode]:
    pending = [d.selection_set for d in document.definitions if hasattr(d, "selection_set")]
    while pending:
        for each in pending.pop().selections:
            if isinstance(each, FieldNode):
                yield each
            inner = getattr(each, "selection_set", None)
            if inner is not None:
                pending.append(inner)


def exceeded(limit: str, value: int, advice: str) -> CostExceeded:
    """The refusal: which limit, its value, and what to do."""
    return CostExceeded(f"Limit exceeded: {limit}, at most {value:,}. {advice}")
