"""One subscription over an HTTP response that stays open, and the road by which all of one framing get payloads."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from app.fanout.members import Member
from app.fanout.payloads import Payload
from app.metrics import Metrics
from app.transport.connection import Connection
from app.transport.framing import Framing
from app.transport.watch import Watch
from app.transport.wire import HIGH_WATER

HEADERS: Final = {"vary": "accept", "cache-control": "no-cache", "x-accel-buffering": "no"}
"""Nobody between may keep what is sent, for others or for later."""
_UNREAD_SECONDS: Final = 20.0
_LAST_SECONDS: Final = 3.0
"""For what is unread when the server stops: it goes before uvicorn has to cancel what still runs."""


class StreamRoad:
    """All streams of one framing: a chunk is made once for all members of a group."""

    def __init__(self, framing: Framing, metrics: Metrics) -> None:
        self.framing = framing
        self._media = framing.content_type.partition(";")[0]
        self.headers = [(key.encode(), value.encode()) for key, value in HEADERS.items()]
        self.headers.append((b"content-type", framing.content_type.encode()))
        self.heartbeat = _chunk(framing.heartbeat)
        self.watch = Watch(framing.heartbeat_seconds)
        self._metrics = metrics

    def deliver(self, payloads: Sequence[Payload], members: Iterable["Stream"]) -> None:
        """Writes to each member's connection, or lets the member hold the payloads."""
        everyone = members if len(payloads) == 1 else tuple(members)
        for part, chunk in self.chunks(payloads):
            written = 0
            for member in everyone:
                if member.is_full or member.backlog is not None:
                    member.hold(part)
                else:
                    member.transport.write(chunk)
                    written += 1
            self._metrics.stream_payloads.add(self._media, written * len(part))

    def send(self, payloads: Sequence[Payload], member: "Stream") -> None:
        """To one member alone."""
        for part, chunk in self.chunks(payloads):
            member.transport.write(chunk)
            self._metrics.stream_payloads.add(self._media, len(part))

    def chunks(self, payloads: Sequence[Payload]) -> Iterator[tuple[Sequence[Payload], bytes]]:
        """Runs of payloads, each as one chunk: as many as a connection may have unread, so that a full one is found
        before all of them are copied for a client that does not read."""
        run: list[Payload] = []
        events: list[bytes] = []
        size = 0
        for payload in payloads:
            event = self.framing.part(payload.body, payload.cursor)
            if run and size + len(event) > HIGH_WATER:
                yield run, _chunk(b"".join(events))
                run, events, size = [], [], 0
            run.append(payload)
            events.append(event)
            size += len(event)
        if run:
            yield run, _chunk(b"".join(events))


class Stream(Member):
    """One response that stays open. `over` is its last bytes, or None once the client is gone."""

    __slots__ = ("_connection", "_is_full", "_turn", "outcome", "over", "road", "transport")
    road: StreamRoad

    def __init__(self, road: StreamRoad, connection: Connection) -> None:
        super().__init__()
        self.road = road
        self.transport = connection.transport
        self._is_full = False
        self.over: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self.outcome = "ok"
        self._connection = connection
        self._turn = road.watch.add(self)
        connection.hold(self)

    def begin(self) -> None:
        """To be called once it is live, before the loop goes on."""
        first = self.road.framing.begin(self.begins_after) if self.begins_after is not None else b""
        if first and not self.is_over:
            self.transport.write(_chunk(first))

    def release(self) -> None:
        """Nothing is written any more."""
        self.leave()
        self.road.watch.remove(self, self._turn)
        self._connection.release()

    # ---------------------------------------------------------------- from its group

    @property
    def is_full(self) -> bool:
        return self._is_full

    def send(self, payloads: Sequence[Payload]) -> None:
        if not self.is_over:  # a transport that is lost takes nothing, and not every loop passes over it
            self.road.send(payloads, self)

    def end(self, errors: Sequence[Mapping[str, Any]] | None) -> None:
        self._end(self.road.framing.end(errors), "ok" if errors is None else "error")

    # ---------------------------------------------------------------- from its connection

    def on_full(self) -> None:
        self._is_full = True
        self.road.watch.expect(self, _UNREAD_SECONDS)

    def on_room(self) -> None:
        self._is_full = False
        self.road.watch.came(self)
        self.has_room()

    def on_restart(self) -> None:
        self._connection.close_after()
        self.road.watch.expect(self, _LAST_SECONDS)
        self._end(self.road.framing.restart(), "restart")

    def on_gone(self) -> None:
        self.leave()
        self._end(None, "ok")

    # ---------------------------------------------------------------- from the watch

    def keep_alive(self) -> None:
        if not self.is_full and not self.over.done():
            self.transport.write(self.road.heartbeat)

    def is_late(self) -> None:
        """The client has not read in time."""
        self.outcome = "unread"
        self.transport.abort()

    def _end(self, last: bytes | None, outcome: str) -> None:
        if not self.over.done():
            self.over.set_result(last)
            if self.outcome == "ok":
                self.outcome = outcome


def _chunk(data: bytes) -> bytes:
    """As the chunked transfer coding of HTTP/1.1 has it."""
    return b"%x\r\n%b\r\n" % (len(data), data)
