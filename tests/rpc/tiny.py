"""A Solana node of some lines over a real socket: a chain that a test grows, forks and breaks, and knows the truth of.

HTTP and WebSocket are on one port. `tests/node` is the whole node; this one is for what a pool or a source does with
single answers.
"""

import asyncio
import hashlib
import io
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import chain
import uvicorn
from servers import free_port
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from indexer import base58
from indexer.recordings import write_recording

SKIPPED, NOT_YET, GONE = -32007, -32004, -32001
FIRST = 1_000
Rule = Callable[[str, list[Any]], Response | None]


class Refusal(Exception):
    """A JSON-RPC error."""

    def __init__(self, code: int) -> None:
        self.code = code


class TinyNode:
    """A chain of blocks with one trade each. `rule` may answer a request instead; `requests` counts methods."""

    def __init__(self) -> None:
        self.port = free_port()
        self.genesis = "5eykt4UsFv8P8NJdTREpY1vzqKqZKvdpKuc147dw2N9d"
        self.blocks: dict[int, dict[str, Any]] = {}
        self.finalized = FIRST
        self.first_available = 0
        self.rule: Rule = lambda method, params: None
        self.requests: Counter[str] = Counter()
        self.is_silent = False
        self.told = asyncio.Condition()
        self.sockets = 0
        self._made = 0
        self._open: set[WebSocket] = set()
        self.grow(1, at=FIRST)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/?api-key=secret|ws://127.0.0.1:{self.port}/?api-key=secret"

    @property
    def tip(self) -> int:
        return max(self.blocks)

    @property
    def truth(self) -> dict[int, list[str]]:
        """Signatures by slot."""
        return {
            slot: [each["transaction"]["signatures"][0] for each in b["transactions"]]
            for slot, b in self.blocks.items()
        }

    def grow(self, count: int = 1, *, skipping: int = 0, at: int | None = None, time: int | None = chain.TIME) -> None:
        """New blocks on top, each after `skipping` skipped slots."""
        for _ in range(count):
            slot = at if at is not None else self.tip + 1 + skipping
            parent = self.tip if self.blocks else slot - 1
            self._made += 1
            self.blocks[slot] = {
                "blockhash": base58.encode(hashlib.sha256(f"{self.port}/{self._made}".encode()).digest()),
                "previousBlockhash": self.blocks[parent]["blockhash"] if self.blocks else "1" * 32,
                "parentSlot": parent,
                "blockTime": time,
                "blockHeight": slot,
                "transactions": [_trade(self.port, self._made)],
            }
            at = None

    def fork(self, depth: int) -> None:
        """The newest blocks leave the chain; as many others take their place, and one more."""
        for slot in sorted(self.blocks)[-depth:]:
            del self.blocks[slot]
        self.grow(depth + 1)

    async def announce(self) -> None:
        """Tells the WebSockets."""
        async with self.told:
            self.told.notify_all()

    # ---------------------------------------------------------------- answering

    async def answer(self, request: Request) -> Response:
        asked = await request.json()
        method, params = asked["method"], asked.get("params") or []
        self.requests[method] += 1
        if (instead := self.rule(method, params)) is not None:
            return instead
        try:
            return JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "result": self._result(method, params)})
        except Refusal as refusal:
            error = {"code": refusal.code, "message": "no secret"}
            return JSONResponse({"jsonrpc": "2.0", "id": asked["id"], "error": error})

    def _result(self, method: str, params: list[Any]) -> Any:
        config = next((each for each in params if isinstance(each, dict)), {})
        last = self.finalized if config.get("commitment") == "finalized" else self.tip
        if method == "getGenesisHash":
            return self.genesis
        if method == "getSlot":
            return last
        if method == "getFirstAvailableBlock":
            return self.first_available
        if method == "getBlocks":
            return [
                s for s in sorted(self.blocks) if params[0] <= s <= min(params[1], last) and s >= self.first_available
            ]
        if method == "getBlock":
            return self._block(params[0], config)
        raise Refusal(-32601)

    def _block(self, slot: int, config: dict[str, Any]) -> dict[str, Any]:
        if slot < self.first_available:
            raise Refusal(GONE)
        if slot not in self.blocks:
            raise Refusal(SKIPPED if slot < self.tip else NOT_YET)
        block = self.blocks[slot]
        if config["transactionDetails"] == "none":
            return {name: value for name, value in block.items() if name != "transactions"}
        return block

    async def listen(self, socket: WebSocket) -> None:
        await socket.accept()
        self.sockets += 1
        self._open.add(socket)
        with suppress(WebSocketDisconnect):
            for _ in range(2):
                asked = await socket.receive_json()
                await socket.send_json({"jsonrpc": "2.0", "id": asked["id"], "result": 1 + asked["id"]})
            reading = asyncio.create_task(socket.receive())
            while not reading.done():
                await self._tell(socket, reading)
        self._open.discard(socket)

    async def _tell(self, socket: WebSocket, reading: "asyncio.Task[Any]") -> None:
        async def told() -> None:
            async with self.told:
                await self.told.wait()

        waiting = asyncio.create_task(told())
        await asyncio.wait({waiting, reading}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if not reading.done() and not self.is_silent:
            slot = {"slot": self.tip, "parent": self.tip - 1, "root": self.finalized}
            await socket.send_text(_notification("slotNotification", slot, 2))
            await socket.send_text(_notification("rootNotification", self.finalized, 3))


def _notification(method: str, result: Any, subscription: int) -> str:
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": {"result": result, "subscription": subscription}})


def _trade(port: int, number: int) -> dict[str, Any]:
    """A pump buy as an element of a block."""
    signature = base58.encode(hashlib.sha512(f"{port}/{number}".encode()).digest())
    out = io.BytesIO()
    write_recording(out, [chain.transaction(*chain.pump_buy(chain.pump_trade()), signature=signature)])
    made = json.loads(out.getvalue())
    return {"transaction": made["transaction"], "meta": made["meta"], "version": "legacy"}


@asynccontextmanager
async def running(*nodes: TinyNode) -> AsyncIterator[None]:
    """Serves nodes while the block runs."""
    servers = []
    for node in nodes:
        routes = [Route("/", node.answer, methods=["POST"]), WebSocketRoute("/", node.listen)]
        config = uvicorn.Config(
            Starlette(routes=routes),
            port=node.port,
            log_level="error",
            ws="websockets-sansio",
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        servers.append(uvicorn.Server(config))
    async with asyncio.TaskGroup() as tasks:
        for server in servers:
            tasks.create_task(server._serve(sockets=None))
        async with asyncio.timeout(5):
            while not all(server.started for server in servers):
                await asyncio.sleep(0.01)
        try:
            yield
        finally:
            for server in servers:
                server.should_exit = True
