"""Text of functions that is compiled once and run for every row. Nothing of a client ever becomes text: response names
and all other values are reached by names that are made here."""

from collections.abc import Callable, Sequence
from typing import Any


class Code:
    """Functions on the way to being compiled."""

    def __init__(self) -> None:
        self._values: dict[str, object] = {}
        self._names: dict[str | int, str] = {}
        self._text: list[str] = []
        self._count = 0

    def value(self, value: object) -> str:
        """A name for the value."""
        # What is known by its identity is held by `_values`, so that no other has it.
        known_as = value if isinstance(value, str) else id(value)
        if known_as not in self._names:
            self._names[known_as] = self._new("value")
            self._values[self._names[known_as]] = value
        return self._names[known_as]

    def function(self, parameters: str, lines: Sequence[str]) -> str:
        """A name for a function of these lines."""
        name = self._new("function")
        self._text += [f"def {name}({parameters}):", *(f"    {line}" for line in lines)]
        return name

    def constant(self, expression: str) -> str:
        """A name for what the expression gives: it is evaluated once, after all that was added before."""
        name = self._new("constant")
        self._text.append(f"{name} = {expression}")
        return name

    def linked(self, name: str) -> Callable[..., Any]:
        """The function of that name."""
        namespace: dict[str, Any] = dict(self._values)
        exec(compile("\n".join(self._text), "<compiled selection>", "exec"), namespace)
        function: Callable[..., Any] = namespace[name]
        return function

    def _new(self, kind: str) -> str:
        self._count += 1
        return f"{kind}_{self._count}"
