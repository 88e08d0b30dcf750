"""How certain a record must be before a subscriber hears of it: each level is the same feed, later."""

import asyncio
from typing import Any

import pytest
from factories import SLOT0, T0, trade
from fanout.listening import Listener, Server, serve
from live.feeding import SECONDS, SETTINGS, running_hub, until
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.events import Event
from app.domain.programs import Commitment
from app.live.hub import Hub
from app.store.writer import Writer
from app.store.writer_batch import Work

PROCESSED, CONFIRMED, FINALIZED = Commitment
STREAM = """subscription($commitment: Commitment, $start: StreamStart) {
  tradeStream(commitment: $commitment, start: $start) { trades { slot commitment } }
}"""


async def write(hub: Hub, writer: Writer, events: list[Event], finalized_slot: int | None = None) -> None:
    work = Work(events=events, finalized_slot=finalized_slot)
    await hub.bus.publish((await writer.write(work)).batch)


def trades(commitment: Commitment, *slots: int) -> list[Event]:
    return [trade(slot=SLOT0 + slot, block_time=T0 + slot, commitment=commitment, ordinal=slot) for slot in slots]


async def told(listener: Listener, count: int) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    async with asyncio.timeout(SECONDS):
        while len(found) < count:
            payload = (await listener.data())["tradeStream"]
            found += [(int(each["slot"]) - SLOT0, each["commitment"]) for each in payload["trades"]]
    return found


async def opened(server: Server, commitment: Commitment, **variables: Any) -> Listener:
    return await server.live(STREAM, commitment=commitment.name, **variables)


async def test_each_level_hears_of_a_trade_when_it_is_that_certain(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub, Writer(engine, SETTINGS, source="test", is_simulated=False) as writer:
        server = await serve(engine, hub)
        first, second, third = [await opened(server, level) for level in Commitment]
        await write(hub, writer, trades(PROCESSED, 1))
        await write(hub, writer, trades(PROCESSED, 2))
        assert await told(first, 2) == [(1, "PROCESSED"), (2, "PROCESSED")]
        assert second.payloads == []
        await write(hub, writer, trades(CONFIRMED, 3), finalized_slot=SLOT0 + 1)
        assert await told(third, 1) == [(1, "FINALIZED")]
        await write(hub, writer, trades(CONFIRMED, 4), finalized_slot=SLOT0 + 3)
        assert [slot for slot, _ in await told(second, 4)] == [1, 2, 3, 4]
        assert await told(third, 2) == [(2, "FINALIZED"), (3, "FINALIZED")]


@pytest.mark.parametrize("level", Commitment)
async def test_a_stream_from_the_past_ends_where_the_live_one_of_its_level_is(
    engine: AsyncEngine, level: Commitment
) -> None:
    async with running_hub(engine) as hub, Writer(engine, SETTINGS, source="test", is_simulated=False) as writer:
        server = await serve(engine, hub)
        await write(hub, writer, trades(CONFIRMED, 1, 2, 3), finalized_slot=SLOT0 + 2)
        await write(hub, writer, trades(PROCESSED, 4))
        await until(lambda: hub.sequence == 4)
        listener = await opened(server, level, start={"last": 10})
        await write(hub, writer, trades(CONFIRMED, 5), finalized_slot=SLOT0 + 5)
        assert [slot for slot, _ in await told(listener, 5)] == [1, 2, 3, 4, 5]
