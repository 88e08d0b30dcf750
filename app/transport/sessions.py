"""The WebSocket endpoint: what may be opened, what is told to come again, and how all of it is closed for a restart."""

import asyncio
from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from websockets.frames import CloseCode

from app.execution.operations import Operations
from app.metrics import Metrics
from app.settings import Settings
from app.transport.door import RETRY_SECONDS, Door, tell_of_restart
from app.transport.handshake import open_wire
from app.transport.messages import SUBPROTOCOL
from app.transport.outbox import Outbox
from app.transport.road import Roads
from app.transport.session import Session, Subscriptions, Surroundings

_BAD_SUBPROTOCOL: Final = 4406
_ANSWER_SECONDS: Final = 1.5
"""How long queries may go on after the last batch while this process still answers others; uvicorn waits on."""
_LOOK_SECONDS: Final = 0.04


class Sessions:
    """Opens, counts and drains the sockets of this process."""

    def __init__(
        self, operations: Operations, subscriptions: Subscriptions, settings: Settings, metrics: Metrics
    ) -> None:
        self.door = Door(settings.max_sockets)
        self._outbox = Outbox(settings.max_frame_bytes, metrics.closes)
        self._open: set[Session] = set()
        self.door.watch(self._open)
        roads = Roads(self._outbox, metrics)
        self._around = Surroundings(operations, subscriptions, roads, settings, metrics, self._open)
        self.is_draining = False

    @property
    def open(self) -> int:
        """Sockets that are open."""
        return len(self._open)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application for the opening handshake only: it returns when the socket is open."""
        socket = WebSocket(scope, receive, send)
        if self.is_draining:
            headers = {"retry-after": str(RETRY_SECONDS)}
            await socket.send_denial_response(PlainTextResponse("The server restarts: try again.\n", 503, headers))
        elif SUBPROTOCOL not in scope["subprotocols"]:
            reason = f"Subprotocol not acceptable: offer {SUBPROTOCOL}"
            (await open_wire(socket, self._outbox)).close(_BAD_SUBPROTOCOL, reason)
        elif self.door.is_full:
            reason = f"SUBSCRIPTION_LIMIT: sockets, at most {self.door.most:,}. Try again later"
            (await open_wire(socket, self._outbox, SUBPROTOCOL)).close(CloseCode.TRY_AGAIN_LATER, reason)
        else:
            Session(await open_wire(socket, self._outbox, SUBPROTOCOL), self._around)

    async def drain(self) -> None:
        """Refuses new sockets and closes those that are open with 1012, in batches and in no order, so that their
        clients do not come back all at once. Returns when all of them are told, after 5 seconds at most."""
        self.is_draining = True
        await tell_of_restart(self._open)
        await self._answered()

    async def _answered(self) -> None:
        for _ in range(round(_ANSWER_SECONDS / _LOOK_SECONDS)):
            if not self._open:
                return
            await asyncio.sleep(_LOOK_SECONDS)
