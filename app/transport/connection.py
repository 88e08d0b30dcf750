"""uvicorn's HTTP connection, which lends its transport to a response that stays open.

Headers, middleware and the end of the response go through ASGI like those of any other. What comes between is written
to the transport itself: with a task and a queue for each open response, a payload would cost several times as much.
"""

import asyncio
from typing import Any, Final, Protocol

from starlette.types import Scope
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from app.transport.wire import HIGH_WATER

_EXTENSION: Final = "curvecast.connection"
_LOW_WATER: Final = HIGH_WATER // 4


class Held(Protocol):
    """A response that stays open. All calls are made in the loop and must not wait."""

    def on_full(self) -> None:
        """The client has more unread than it should."""

    def on_room(self) -> None:
        """It has read."""

    def on_restart(self) -> None:
        """The server is about to stop: end the response."""

    def on_gone(self) -> None:
        """The last call: the connection is lost."""


class Connection(HttpToolsProtocol):
    """For uvicorn's `http=`."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._held: Held | None = None
        self._is_lost = False

    def hold(self, held: Held) -> None:
        """From now on `held` writes chunks to `transport`, and hears what happens to it; `on_gone` even at once."""
        self._held = held
        self.transport.set_write_buffer_limits(HIGH_WATER, _LOW_WATER)
        if self._is_lost:
            held.on_gone()

    def release(self) -> None:
        """The response ends, or has ended."""
        self._held = None

    def close_after(self) -> None:
        """Closes the connection once the response is complete: its client is to come again on another one."""
        self.cycle.keep_alive = False

    # ---------------------------------------------------------------- from uvicorn

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: self}  # type: ignore[dict-item]  # ours is no part of ASGI

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._held is not None:
            self._held.on_full()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._held is not None:
            self._held.on_room()

    def shutdown(self) -> None:
        super().shutdown()
        if self._held is not None:
            self._held.on_restart()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._is_lost = True
        held, self._held = self._held, None
        if held is not None:
            held.on_gone()


def connection_of(scope: Scope) -> Connection:
    """The connection that a request came over. Raises RuntimeError under a server that was not started with our
    options."""
    connection: Connection | None = scope.get("extensions", {}).get(_EXTENSION)
    if connection is None:
        raise RuntimeError("Streams need `app.transport.server.server_options`: start with `curvecast serve`.")
    return connection
