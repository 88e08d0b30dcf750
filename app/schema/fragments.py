"""Each fragment of a document measured once, however often it is spread."""

from collections.abc import Callable
from typing import TypeVar

from graphql import DocumentNode, FragmentDefinitionNode

T = TypeVar("T")


class Fragments:
    """Measures each fragment once; a fragment that spreads itself counts as nothing and is left to validation."""

    def __init__(self, document: DocumentNode) -> None:
        self._definitions = {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}

    def memo(self, measure: Callable[[FragmentDefinitionNode], T], nothing: T) -> Callable[[str], T]:
        known: dict[str, T] = {}

        def of(name: str) -> T:
            if name not in known:
                known[name] = nothing
                definition = self._definitions.get(name)
                if definition is not None:
                    known[name] = measure(definition)
            return known[name]

        return of
