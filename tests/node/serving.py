"""Serves a chain as a node: HTTP and WebSocket on one port, in the event loop of whoever asks."""

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.transport.listener import Server
from node.accounts import AccountBook
from node.chain import Chain
from node.control import control_routes
from node.faults import Fault, Faults, Kind, cut, reset
from node.rpc import Rpc
from node.sockets import Hub, Socket

_GZIP_FROM = 1_000
Client = tuple[str, int]


class Node:
    """A running node. Several may serve one chain, each with its faults."""

    def __init__(self, chain: Chain, faults: Faults, port: int) -> None:
        self.chain = chain
        self.faults = faults
        self.port = port
        self.requests: deque[str] = deque(maxlen=100_000)
        """The methods that were asked for, in order, refused ones too; the newest, where they are many."""
        self.transports: dict[Client, asyncio.Transport] = {}
        self._rpc = Rpc(chain, faults)
        self.hub = Hub(chain, faults)
        self._ended = asyncio.Event()

    @property
    def accounts(self) -> AccountBook:
        """What account requests answer; `put` sets one by hand."""
        return self._rpc.accounts

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def setting(self) -> str:
        """As CURVECAST_RPC_URLS writes it."""
        return f"{self.http_url}|{self.ws_url}"

    @property
    def sockets(self) -> int:
        """WebSockets and gRPC streams that are open."""
        return len(self.hub.connections)

    def act(self, kind: Kind) -> None:
        """Cuts, resets or freezes all WebSockets and gRPC streams that are open now."""
        for each in tuple(self.hub.connections):
            each.act(kind)

    def end(self) -> None:
        """Lets go of everything: half-open connections too."""
        self._ended.set()
        self.hub.close()
        self.accounts.close()
        for transport in tuple(self.transports.values()):
            transport.abort()

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/", self._post, methods=["POST"]),
            Route("/health", lambda _: PlainTextResponse("behind" if self.faults.lag else "ok")),
            WebSocketRoute("/", self._connect),
            *control_routes(self.chain, self.faults, self.hub),
        ]
        return Starlette(routes=routes, middleware=[Middleware(GZipMiddleware, _GZIP_FROM, compresslevel=1)])

    async def _post(self, request: Request) -> Response:
        try:
            body = await request.body()
        except ClientDisconnect:
            return Response()
        if self.faults.token and request.headers.get("authorization") != f"Bearer {self.faults.token}":
            return Response("Unauthorized", 401)
        calls, is_batch = _read(body)
        methods = [str(call.get("method")) if isinstance(call, dict) else "" for call in calls]
        self.requests += methods
        for fault in filter(None, map(self.faults.take, methods)):
            refused = await self._refuse(fault, request.scope)
            if refused is not None:
                return refused
        answers = [self._rpc.answer(call) for call in calls]
        data = b"[" + b",".join(answers) + b"]" if is_batch else answers[0]
        return Response(data, media_type="application/json")

    async def _refuse(self, fault: Fault, scope: Any) -> Response | None:
        """What a fault answers instead; None where the request goes on."""
        transport = self.transports.get(tuple(scope["client"]))
        match fault.kind:
            case Kind.STALL:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._ended.wait(), fault.seconds)
                return None
            case Kind.TOO_MANY:
                retry = f"{fault.seconds:g}"
                text = '{"jsonrpc":"2.0","error":{"code":429,"message":"Too many requests for a specific RPC call"}}'
                return Response(text, 429, {"Retry-After": retry}, media_type="application/json")
            case Kind.STATUS:
                return Response("<html><body>upstream is not well</body></html>", fault.status, media_type="text/html")
            case Kind.MALFORMED:
                return Response('{"jsonrpc":"2.0","result":{"slot":4600', media_type="application/json")
            case Kind.CUT:
                cut(transport)
            case Kind.RESET:
                reset(transport)
            case Kind.HALF_OPEN:
                await self._ended.wait()
            case _:
                return None  # concerns notifications only
        return Response()

    async def _connect(self, websocket: WebSocket) -> None:
        transport = self.transports.get(tuple(websocket.scope["client"]))
        fault = self.faults.take("connect")
        if fault is not None:
            refused = await self._refuse(fault, websocket.scope)
            if refused is not None:
                await websocket.send_denial_response(refused)
                return
        await Socket(self.hub, self._rpc, websocket, transport).serve()


def _read(body: bytes) -> tuple[list[Any], bool]:
    """The calls, and whether they are a batch."""
    try:
        decoded = msgspec.json.decode(body)
    except ValueError:
        return [None], False
    return (decoded, True) if isinstance(decoded, list) and decoded else ([decoded], False)


@asynccontextmanager
async def serve_node(
    chain: Chain,
    *,
    faults: Faults | None = None,
    speed: float | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[Node]:
    """A node over `chain` while the block runs, on a free port unless given. With `speed` the chain also moves by
    itself, so many times as fast as mainnet; else it moves when told (`await node.chain.advance()`)."""
    with socket.create_server((host, port), reuse_port=False) as listener:
        node = Node(chain, faults or Faults(), listener.getsockname()[1])
        server = Server(_config(node))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        moving = None if speed is None else asyncio.create_task(chain.run(speed))
        try:
            while not server.started and not serving.done():
                await asyncio.sleep(0.001)
            yield node
        finally:
            if moving is not None:
                moving.cancel()
            node.end()
            server.should_exit = server.force_exit = True
            await serving


def _config(node: Node) -> uvicorn.Config:
    class Connection(HttpToolsProtocol):
        """Tells the node its transport, so that faults reach below HTTP."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn itself
            super().connection_made(transport)
            if self.client is not None:
                gone = [client for client, each in node.transports.items() if each.is_closing()]
                for client in gone:
                    del node.transports[client]
                node.transports[self.client] = transport

    return uvicorn.Config(
        node.app(),
        http=Connection,
        lifespan="off",
        log_config=None,
        log_level="critical",
        ws_ping_interval=None,  # a half-open socket must not be found out by this side
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=1,
        server_header=False,
        access_log=False,
    )
