"""A real server that answers as strangers do, when a token's URI is opened."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from web_server import serving

DOCUMENT = {
    "name": "Sea Turtle",
    "image": "https://ipfs.io/ipfs/QmImage",
    "description": "Slow\0 and steady.",
    "twitter": "https://x.com/turtle",
    "telegram": "@turtle_chat",
    "website": "https://turtle.example",
}
CID = "Qm" + "a" * 44


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(Request(scope))(scope, receive, send)


def respond(request: Request) -> Response:
    match request.url.path:
        case "/good" | "/ipfs/" | "/good.txt":
            return Response(json.dumps(DOCUMENT), media_type="application/json")
        case path if path == f"/ipfs/{CID}":
            return Response(json.dumps(DOCUMENT), media_type="application/octet-stream")
        case "/page":
            return Response("<html>", media_type="text/html")
        case "/image":
            return Response(b"\x89PNG", media_type="image/png")
        case "/bomb":
            return Response(b"\x1f\x8b", headers={"content-encoding": "gzip"}, media_type="application/json")
        case "/endless":
            return StreamingResponse(endless(), media_type="application/json")
        case "/slow":
            return StreamingResponse(slowly(), media_type="application/json")
        case "/around":
            return RedirectResponse("/around")
        case "/inside":
            return RedirectResponse("http://[::1]:9/latest/meta-data")
        case "/file":
            return RedirectResponse("file:///etc/passwd")
        case "/moved":
            return RedirectResponse("/good")
        case _:
            return Response(status_code=404)


async def endless() -> AsyncIterator[bytes]:
    for _ in range(10_000):
        yield b" " * 65_536
        await asyncio.sleep(0.001)


async def slowly() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await asyncio.sleep(0.05)


def stranger() -> AbstractAsyncContextManager[str]:
    """Serves them; its address."""
    return serving(answer)
