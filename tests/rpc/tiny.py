"""A node of some lines over a real socket, whose single answers a test decides. `tests/node` is the whole one."""

import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from web_server import serving

Rule = Callable[[str, list[Any]], Response | None]


class TinyNode:
    """Slots that a test counts up. `rule` may answer a request instead; `requests` counts methods."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.genesis = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"
        self.tip = 1_000
        self.rule: Rule = lambda method, params: None
        self.requests: Counter[str] = Counter()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/?api-key=secret"

    async def answer(self, request: Request) -> Response:
        asked = await request.json()
        method, params = asked["method"], asked.get("params") or []
        self.requests[method] += 1
        if (instead := self.rule(method, params)) is not None:
            return instead
        results = {
            "getGenesisHash": self.genesis,
            "getSlot": self.tip,
            "getBlocks": list(range(self.tip - 3, self.tip + 1)),
        }
        return JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "result": results[method]})


@asynccontextmanager
async def running(*nodes: TinyNode) -> AsyncIterator[None]:
    """Serves nodes while the block runs."""
    async with AsyncExitStack() as stack:
        for node in nodes:
            app = Starlette(routes=[Route("/", node.answer, methods=["POST"])])
            await stack.enter_async_context(serving(app, node.listener))
        yield
