"""Events of a group to payloads, in order, although some have to wait for a read and others have not."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence

from app.execution.operations import Responder
from app.fanout.payloads import Payload
from app.schema.plans import Event

log = logging.getLogger(__name__)


class Executions:
    """`deliver` is called with payloads as they are ready, in the order of their events; `fail` when one cannot be made
    at all."""

    def __init__(
        self,
        responder: Responder,
        *,
        tells_cursor: bool,
        deliver: Callable[[Sequence[Payload]], None],
        fail: Callable[[Exception], None],
    ) -> None:
        self._responder = responder
        self._tells_cursor = tells_cursor
        self._deliver = deliver
        self._fail = fail
        self._waiting: deque[tuple[Event, str | None, asyncio.Future[bytes]]] = deque()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Events that were begun and are not delivered."""
        return len(self._waiting)

    @property
    def oldest(self) -> Event | None:
        """The oldest event that is not delivered."""
        return self._waiting[0][0] if self._waiting else None

    def run(self, events: Sequence[Event], before: str | None, context: object) -> int:
        """Executes the events; those that need no read are delivered before this returns, unless older ones wait.

        Returns how many were begun and are not delivered.
        """
        ready: list[Payload] = []
        for event in events:
            body = self._responder(event.value, context)
            if isinstance(body, bytes) and not self._waiting:
                ready.append(to_payload(event, before, body, self._tells_cursor))
            else:
                self._waiting.append((event, before, _begun(body)))
            before = event.cursor
        if ready:
            self._deliver(ready)
        if self._waiting and self._task is None:
            self._task = asyncio.create_task(self._drain())
        return len(self._waiting)

    def stop(self) -> None:
        """Nothing is delivered any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        for _, _, future in self._waiting:
            future.cancel()
        self._waiting.clear()

    async def _drain(self) -> None:
        try:
            while self._waiting:
                await self._waiting[0][2]
                self._deliver(list(self._ready()))
            self._task = None
        except Exception as error:
            self._fail(error)

    def _ready(self) -> Iterator[Payload]:
        while self._waiting and self._waiting[0][2].done():
            event, before, future = self._waiting.popleft()
            yield to_payload(event, before, future.result(), self._tells_cursor)


def _begun(body: bytes | Awaitable[bytes]) -> asyncio.Future[bytes]:
    if not isinstance(body, bytes):
        return asyncio.ensure_future(body)
    future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    future.set_result(body)
    return future


def to_payload(event: Event, before: str | None, body: bytes, tells_cursor: bool) -> Payload:
    """The payload of an executed event."""
    _, sequence, cursor, records = event
    if tells_cursor and cursor is not None:
        # Cursors are base64url: nothing in them has to be escaped.
        body = b'%b,"extensions":{"cursor":"%b"}}' % (body[:-1], cursor.encode())
    return Payload(body, sequence, cursor, before, records)
