"""An ASGI application on a real uvicorn of the loopback interface, for as long as a test needs it."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from app.transport.listener import Server

_SECONDS = 5.0


@asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket | None = None, **options: Any) -> AsyncIterator[str]:
    """Serves on `listener`, or on a free port; its address, `http://…`. Whoever is still being answered at the end is
    cut off. `options` are uvicorn's."""
    listener = listener or socket.create_server(("127.0.0.1", 0))
    server = Server(uvicorn.Config(app, log_config=None, **{"lifespan": "off"} | options))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        async with asyncio.timeout(_SECONDS):
            while not server.started:
                assert not task.done(), "the server did not start"
                await asyncio.sleep(0.001)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await task
        listener.close()
