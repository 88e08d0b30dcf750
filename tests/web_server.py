"""An ASGI application on a real uvicorn of the loopback interface, for as long as a test needs it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from app.transport.listener import Server

_SECONDS = 5.0


@asynccontextmanager
async def serving(app: ASGIApp, *, port: int = 0, **options: Any) -> AsyncIterator[str]:
    """Serves on `port`, or on a free one; its address, `http://…`. Whoever is still being answered at the end is cut
    off. `options` are uvicorn's."""
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, **{"lifespan": "off"} | options)
    server = Server(config)
    listener = config.bind_socket()
    listener.listen()
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
