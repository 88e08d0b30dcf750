"""GraphiQL for browsers, offline: the built page, its assets, and one tab for each file of graphql/operations."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from graphql import OperationDefinitionNode, parse
from graphql.utilities import value_from_ast_untyped
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

ASSETS: Final = Path(__file__).parent / "graphiql"
"""Built by `make install`, never committed."""
_FIRST: Final = "LiveTrades"
_SLOT: Final = '<script type="application/json" id="curvecast">{}</script>'
_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "worker-src 'self'",
        "connect-src 'self' ws: wss:",
        # Monaco writes style elements and attributes at run time and cannot do without (microsoft/monaco-editor#271).
        "style-src 'self' 'unsafe-inline'",
        "font-src 'self' data:",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_NOT_BUILT: Final = (
    "GraphiQL is not built in this installation: run `make install` in the checkout, then start again.\n"
)

Examples = Callable[[], Awaitable[Mapping[str, object]]]
"""Reads values that exist in the store, by variable name."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One file of graphql/operations: its text, and the variables that it declares with their default values."""

    name: str
    document: str
    variables: Mapping[str, object]
    is_subscription: bool


def read_operations(folder: Path) -> tuple[Operation, ...]:
    """All operations of a folder: the one that a newcomer should see first, other subscriptions, then queries."""
    found = (_operation(path) for path in folder.glob("*.graphql"))
    return tuple(sorted(found, key=lambda each: (each.name != _FIRST, not each.is_subscription, each.name)))


def _operation(path: Path) -> Operation:
    document = path.read_text(encoding="utf-8")
    definition = next(each for each in parse(document).definitions if isinstance(each, OperationDefinitionNode))
    variables = {
        each.variable.name.value: None if each.default_value is None else value_from_ast_untyped(each.default_value)
        for each in definition.variable_definitions or ()
    }
    return Operation(path.stem, document, variables, definition.operation.value == "subscription")


class Ide:
    """The page at /graphql for browsers, and the routes of its assets."""

    def __init__(self, operations: Path, examples: Examples, *, store_id: str, banner: str | None) -> None:
        """`banner` is shown above the editor, as that the data is SIMULATED."""
        self._operations = read_operations(operations)
        self._examples = examples
        self._store_id = store_id
        self._banner = banner
        self._page = (ASSETS / "index.html").read_text(encoding="utf-8") if ASSETS.is_dir() else None

    @property
    def routes(self) -> list[Mount]:
        """Assets under /graphiql; none where the page was not built."""
        return [Mount("/graphiql", _Assets(directory=ASSETS))] if self._page is not None else []

    async def page(self, request: Request) -> Response:
        """GraphiQL with one tab an operation; its variables name addresses that exist in this store."""
        if self._page is None:
            return PlainTextResponse(_NOT_BUILT, status_code=503)
        examples = await self._examples()
        config = {
            "store": self._store_id,
            "banner": self._banner,
            "tabs": [_tab(operation, examples) for operation in self._operations],
        }
        # `<` may not stand in a script element: a token name could close it.
        data = json.dumps(config).replace("<", "\\u003c")
        return HTMLResponse(
            self._page.replace(_SLOT, _SLOT.replace("{}", data)),
            headers={
                "content-security-policy": _POLICY,
                "cache-control": "no-store",
                "x-content-type-options": "nosniff",
                "referrer-policy": "no-referrer",
            },
        )


def _tab(operation: Operation, examples: Mapping[str, object]) -> dict[str, str]:
    variables = {
        name: examples.get(name, default)
        for name, default in operation.variables.items()
        if name in examples or default is not None
    }
    return {"query": operation.document, "variables": json.dumps(variables, indent=2)}


class _Assets(StaticFiles):
    """Built files carry a hash in their name, so that a browser may keep them for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        response.headers["x-content-type-options"] = "nosniff"
        return response
