"""The WebSocket endpoint: what may be opened, what is told to come again, and how all of it is closed for a restart."""

import asyncio
import random
from typing import Final

from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from websockets.frames import CloseCode

from app.execution.operations import Operations
from app.metrics import Metrics
from app.settings import Settings
from app.transport.handshake import open_wire
from app.transport.messages import SUBPROTOCOL
from app.transport.outbox import Outbox
from app.transport.road import Roads
from app.transport.session import Session, Subscriptions, Surroundings

_BAD_SUBPROTOCOL: Final = 4406
_BATCH: Final = 100
_PAUSE_SECONDS: Final = 0.04
"""Between two batches: 2,500 sockets a second come again elsewhere."""
_DRAIN_SECONDS: Final = 3.5
_ANSWER_SECONDS: Final = 1.5
"""How long queries may go on after the last batch while this process still answers others; uvicorn waits on."""
_RETRY_SECONDS: Final = 2


class Sessions:
    """Opens, counts and drains the sockets of this process."""

    def __init__(
        self, operations: Operations, subscriptions: Subscriptions, settings: Settings, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._outbox = Outbox(settings.max_frame_bytes, metrics.closes)
        self._open: set[Session] = set()
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
            headers = {"retry-after": str(_RETRY_SECONDS)}
            await socket.send_denial_response(PlainTextResponse("The server restarts: try again.\n", 503, headers))
        elif SUBPROTOCOL not in scope["subprotocols"]:
            reason = f"Subprotocol not acceptable: offer {SUBPROTOCOL}"
            (await open_wire(socket, self._outbox)).close(_BAD_SUBPROTOCOL, reason)
        elif self.open >= self._settings.max_sockets:
            reason = f"SUBSCRIPTION_LIMIT: sockets, at most {self._settings.max_sockets:,}. Try again later"
            (await open_wire(socket, self._outbox, SUBPROTOCOL)).close(CloseCode.TRY_AGAIN_LATER, reason)
        else:
            Session(await open_wire(socket, self._outbox, SUBPROTOCOL), self._around)

    async def drain(self) -> None:
        """Refuses new sockets and closes those that are open with 1012, in batches and in no order, so that their
        clients do not come back all at once. Returns when all of them are told, after 5 seconds at most."""
        self.is_draining = True
        sessions = list(self._open)
        random.shuffle(sessions)
        pause = min(_PAUSE_SECONDS, _DRAIN_SECONDS * _BATCH / max(1, len(sessions)))
        for first in range(0, len(sessions), _BATCH):
            for session in sessions[first : first + _BATCH]:
                session.on_restart()
            await asyncio.sleep(random.uniform(0, 2 * pause))
        await self._answered()

    async def _answered(self) -> None:
        for _ in range(round(_ANSWER_SECONDS / _PAUSE_SECONDS)):
            if not self._open:
                return
            await asyncio.sleep(_PAUSE_SECONDS)
