"""One frame for everybody who asked the same: over real sockets, to clients that read and to clients that do not."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from transport.echoing import Frame, RawClient, raw_client, sent
from transport.serving import SECONDS, Client, client, schema, served
from websockets.frames import Opcode

from app.execution.operations import Operation, Operations
from app.execution.requests import GraphQLRequest
from app.fanout.backlog import Backlog, Newest, Waiting
from app.fanout.members import Member
from app.fanout.payloads import Payload
from app.metrics import Metrics
from app.settings import Settings
from app.transport.road import WsMember, WsRoad
from app.transport.sessions import Sessions
from app.transport.wire import HIGH_WATER

SETTINGS = Settings()


class Group:
    """The group of everybody: what `Fanout` does for its members, without anything that is executed."""

    def __init__(self) -> None:
        self.roads: dict[WsRoad, dict[WsMember, None]] = {}
        self.conflates = False
        self.held = 0

    @property
    def members(self) -> list[WsMember]:
        return [member for members in self.roads.values() for member in members]

    def join(self, request: GraphQLRequest, member: Member) -> bool:
        assert isinstance(member, WsMember)
        member.seat = self
        self.roads.setdefault(member.road, {})[member] = None
        return True

    async def subscribe(self, operation: Operation, request: GraphQLRequest, member: Member) -> None:
        raise AssertionError("everybody joins")

    def emit(self, *values: object) -> None:
        payloads = [Payload(json.dumps({"data": value}).encode(), 0, None, None, [value]) for value in values]
        for road, members in self.roads.items():
            road.deliver(payloads, tuple(members))

    def hold(self, member: Member, payloads: Sequence[Payload]) -> None:
        self.held += 1
        if member.backlog is None:
            member.backlog = self._backlog()
        for payload in payloads:
            member.backlog.add(payload)

    def _backlog(self) -> Backlog:
        return Newest(1, lambda record: 0) if self.conflates else Waiting(1_000_000, drops_oldest=False)

    def catch_up(self, member: Member) -> None:
        assert member.backlog is not None
        caught = member.backlog.take()
        member.backlog = None
        member.send(caught.payloads)

    def leave(self, member: Member) -> None:
        assert isinstance(member, WsMember)
        self.roads[member.road].pop(member, None)


@pytest.fixture
def group() -> Group:
    return Group()


@pytest.fixture
async def host(group: Group) -> AsyncIterator[str]:
    operations = Operations(schema._schema, SETTINGS, object)
    sessions = Sessions(operations, group, SETTINGS, Metrics())
    async with served(Starlette(routes=[WebSocketRoute("/graphql", sessions)]), SETTINGS, lifespan="off") as host:
        yield host


async def _joined(stack: AsyncExitStack, host: str, group: Group, *names: str) -> Client:
    """A client whose subscriptions of these ids are live."""
    before = len(group.members)
    socket = await stack.enter_async_context(client(host))
    await socket.init()
    for name in names:
        await socket.subscribe(name, "subscription { held }")
    await _becomes(group, before + len(names))
    return socket


async def _becomes(group: Group, count: int) -> None:
    async with asyncio.timeout(SECONDS):
        while len(group.members) != count:
            await asyncio.sleep(0.005)


NAMES = ("a", "b", "1", "ä", '"', "\\", "\n", "😀", "x" * 256, "5f0c1f6e-7f0e-4b0e-9f0e-1f6e7f0e4b0e")


async def test_every_member_gets_the_payload_in_order_under_its_own_id(host: str, group: Group) -> None:
    async with AsyncExitStack() as stack:
        socket = await _joined(stack, host, group, *NAMES)
        group.emit(1)
        group.emit(2, "x" * 100, "y" * 200, "z" * 70_000)
        got = [await socket.receive() for _ in range(5 * len(NAMES))]
    for name in NAMES:
        values = [each["payload"]["data"] for each in got if each["id"] == name]
        assert values == [1, 2, "x" * 100, "y" * 200, "z" * 70_000]
    assert {each["type"] for each in got} == {"next"}


async def test_ids_of_one_length_are_one_road(host: str, group: Group) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await _joined(stack, host, group, "a", "b", "ab", "ä")
        sizes = sorted(len(members) for members in group.roads.values())
    assert sizes == [6, 6]  # ä is two bytes, as ab


async def test_a_live_subscription_has_no_task(host: str, group: Group) -> None:
    async with AsyncExitStack() as stack:
        socket = await _joined(stack, host, group, "first")
        before = len(asyncio.all_tasks())
        for number in range(50):
            await socket.subscribe(str(number), "subscription { held }")
        await _becomes(group, 51)
        assert len(asyncio.all_tasks()) == before


class _Counting:
    """A transport that notes how often it is written to."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.writes = 0

    def write(self, data: bytes) -> None:
        self.writes += 1
        self._transport.write(data)


async def test_what_all_operations_of_a_socket_get_in_one_turn_is_written_twice_at_most(
    host: str, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with AsyncExitStack() as stack:
        socket = await _joined(stack, host, group, *NAMES)
        wire = group.members[0].wire
        counting = _Counting(wire.transport)
        monkeypatch.setattr(wire, "transport", counting)
        for value in range(20):
            group.emit(value)
        got = [await socket.receive() for _ in range(20 * len(NAMES))]
        monkeypatch.undo()
    assert counting.writes == 2
    assert all([each["payload"]["data"] for each in got if each["id"] == name] == list(range(20)) for name in NAMES)


async def test_who_has_completed_gets_nothing_and_may_come_again_under_the_same_id(host: str, group: Group) -> None:
    async with AsyncExitStack() as stack:
        socket = await _joined(stack, host, group, "a", "b")
        await socket.send({"type": "complete", "id": "a"})
        await _becomes(group, 1)
        group.emit(1)
        await socket.subscribe("a", "subscription { held }")
        await _becomes(group, 2)
        group.emit(2)
        got = [await socket.receive() for _ in range(3)]
    assert [(each["id"], each["payload"]["data"]) for each in got] == [("b", 1), ("b", 2), ("a", 2)]


async def test_a_socket_that_goes_takes_all_its_members_along(host: str, group: Group) -> None:
    async with AsyncExitStack() as stack:
        await _joined(stack, host, group, *NAMES)
    await _becomes(group, 0)


async def _filled(group: Group, deaf: Sequence[WsMember]) -> int:
    """Emits until none of them takes more; how many payloads that were."""
    count = 0
    while not all(member.is_full for member in deaf):
        group.emit(*(f"{count + each:06}" + "x" * 10_000 for each in range(10)))
        count += 10
        await asyncio.sleep(0)
    return count


async def _deaf(stack: AsyncExitStack, host: str, group: Group) -> RawClient:
    """A client with one live subscription that reads no further than its acknowledgement."""
    before = len(group.members)
    deaf = await stack.enter_async_context(raw_client(host, "/graphql"))
    subscribe = {"type": "subscribe", "id": "a", "payload": {"query": "subscription { held }"}}
    await deaf.send(sent(Opcode.TEXT, json.dumps(each).encode()) for each in ({"type": "connection_init"}, subscribe))
    assert await deaf.frame() == Frame(Opcode.TEXT, b'{"type":"connection_ack"}')
    await _becomes(group, before + 1)
    return deaf


async def test_clients_that_do_not_read_cost_a_bounded_buffer_and_delay_nobody(host: str, group: Group) -> None:
    async with AsyncExitStack() as stack:
        sleepers = [await _deaf(stack, host, group) for _ in range(5)]
        deaf = group.members
        reader = await _joined(stack, host, group, "b")
        reading = asyncio.create_task(_until_last(reader.receive))
        count = await _filled(group, deaf)
        for _ in range(20):
            group.emit("later" + "x" * 10_000)
            await asyncio.sleep(0)
        assert all(member.wire.transport.get_write_buffer_size() <= 3 * HIGH_WATER for member in deaf)
        assert group.held >= 20 * len(deaf)
        group.emit("last")
        assert len(await reading) == count + 21
        # A sleeper wakes: what waited comes, in order, and nothing is missing.
        got = await _until_last(partial(_message, sleepers[0]))
        assert [each[:6] for each in got[:count]] == [f"{each:06}" for each in range(count)]
        assert len(got) == count + 21


async def _message(client: RawClient) -> Any:
    frame = await client.frame()
    assert frame is not None
    return json.loads(frame.payload)


async def _until_last(receive: Callable[[], Awaitable[Any]]) -> list[str]:
    """Data of everything up to the last."""
    found: list[str] = []
    while not found or found[-1] != "last":
        found.append((await receive())["payload"]["data"])
    return found


@pytest.mark.parametrize("conflates", [False, True])
async def test_a_socket_that_stays_full_is_let_go_unless_all_of_it_conflates(
    monkeypatch: pytest.MonkeyPatch, host: str, group: Group, conflates: bool
) -> None:
    monkeypatch.setattr("app.transport.wire._FULL_SECONDS", 0.1)
    monkeypatch.setattr("app.transport.wire._CLOSE_SECONDS", 0.5)
    group.conflates = conflates
    async with AsyncExitStack() as stack:
        deaf = await _deaf(stack, host, group)
        await _filled(group, group.members)
        group.emit("one more")
        if conflates:
            await asyncio.sleep(0.6)  # nothing may happen in twice the time in which it would
            assert len(group.members) == 1
            return
        await _becomes(group, 0)
        last = (await deaf.frames())[-1]
        assert last.payload == (1013).to_bytes(2) + b"Slow consumer: the socket was not read in time"
