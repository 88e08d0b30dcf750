"""The road of subscriptions over WebSocket: one frame for all members of a group, but for the id at its end.

`{"type":"next","payload":…,"id":"…"}`: everything before the id is the same for members whose ids are equally long,
the frame's head included, so that a member costs one concatenation.
"""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, Protocol

import msgspec
from websockets.frames import Opcode

from app.fanout.members import Member
from app.fanout.payloads import Payload
from app.metrics import Metrics
from app.transport.frames import head
from app.transport.outbox import Outbox
from app.transport.wire import HIGH_WATER, Wire

_BEFORE: Final = b'{"type":"next","payload":'
_BETWEEN: Final = b',"id":'


class WsRoad:
    """For all members whose id takes the same number of bytes. `roads` makes one of each."""

    __slots__ = ("_around_bytes", "_outbox", "_payloads", "_tail_bytes")

    def __init__(self, outbox: Outbox, metrics: Metrics, tail_bytes: int) -> None:
        self._outbox = outbox
        self._payloads = metrics.payloads
        self._tail_bytes = tail_bytes
        self._around_bytes = len(_BEFORE) + len(_BETWEEN) + tail_bytes

    def deliver(self, payloads: Sequence[Payload], members: Iterable["WsMember"]) -> None:
        """Writes to each member's socket, or lets the member hold the payloads."""
        heads = self.heads(payloads)
        if len(heads) == 1 or sum(map(len, heads)) + len(heads) * self._tail_bytes <= HIGH_WATER:
            self._write(payloads, heads, members)
            return
        # In parts, so that a socket is found full before all of it is copied for each client that does not read.
        everyone = tuple(members)
        for first, last in self._parts(heads):
            self._write(payloads[first:last], heads[first:last], everyone)

    def heads(self, payloads: Sequence[Payload]) -> list[bytes]:
        """A frame for each payload, up to the id."""
        return [self._head(each.body) for each in payloads] if len(payloads) > 1 else [self._head(payloads[0].body)]

    def _head(self, body: bytes) -> bytes:
        return b"".join((head(Opcode.TEXT, self._around_bytes + len(body)), _BEFORE, body, _BETWEEN))

    def _write(self, payloads: Sequence[Payload], heads: list[bytes], members: Iterable["WsMember"]) -> None:
        """The innermost loop of the product: what is written out here would cost more as calls than it does."""
        turn = self._outbox.begin()
        only = heads[0] if len(heads) == 1 else None
        if only is None:
            heads = [*heads, b""]
        delivered = 0
        for member in members:
            wire = member.wire
            if wire.is_full or member.backlog is not None:
                member.hold(payloads)
                continue
            frames = only + member.tail if only is not None else member.tail.join(heads)
            if wire.turn == turn:
                wire.queue(frames)
            else:
                wire.turn = turn
                wire.transport.write(frames)
            delivered += 1
        self._payloads.add("subscription", delivered * len(payloads))

    def _parts(self, heads: list[bytes]) -> Iterator[tuple[int, int]]:
        """Bounds of runs that fit into what a socket may have unsent, or of one that is larger alone."""
        first = size = 0
        for index, each in enumerate(heads):
            more = len(each) + self._tail_bytes
            if size and size + more > HIGH_WATER:
                yield first, index
                first, size = index, 0
            size += more
        yield first, len(heads)


class Roads:
    """One road for each length that ids have."""

    def __init__(self, outbox: Outbox, metrics: Metrics) -> None:
        self._outbox = outbox
        self._metrics = metrics
        self._roads: dict[int, WsRoad] = {}

    def of(self, tail: bytes) -> WsRoad:
        road = self._roads.get(len(tail))
        if road is None:
            road = self._roads[len(tail)] = WsRoad(self._outbox, self._metrics, len(tail))
        return road


class Ending(Protocol):
    """Who is told that an operation is over: its session."""

    def finish(self, member: "WsMember", errors: Sequence[dict[str, Any]] | None) -> None: ...


class WsMember(Member):
    """One operation of a socket. `task` runs while it opens, or answers a query; a live subscription has none."""

    __slots__ = ("_session", "name", "road", "tail", "task", "wire")
    road: WsRoad

    def __init__(self, session: Ending, wire: Wire, name: str, roads: Roads) -> None:
        super().__init__()
        self._session = session
        self.wire = wire
        self.name = name
        self.tail = msgspec.json.encode(name) + b"}"
        self.road = roads.of(self.tail)
        self.task: asyncio.Task[None] | None = None

    @property
    def is_full(self) -> bool:
        return self.wire.is_full

    def send(self, payloads: Sequence[Payload]) -> None:
        self.wire.send(self.tail.join([*self.road.heads(payloads), b""]))

    def end(self, errors: Sequence[dict[str, Any]] | None) -> None:
        self._session.finish(self, errors)

    def stop(self) -> None:
        """The client has ended it, or is gone."""
        if self.task is not None:
            self.task.cancel()
        self.leave()
