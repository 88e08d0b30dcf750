"""`launchpadStream`: what happens to tokens, once each and in feed order, from any stored point to live."""

import asyncio
from typing import Any

import pytest
from asking import Asked
from factories import address, completion, launch, signature, trade
from fanout.listening import Ended, Listener, Server, serve
from forks import forked, works
from live.feeding import SECONDS, SETTINGS, feed, mint, running_hub, until
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.programs import Side
from app.domain.records import Batch
from app.store.feed import read_head
from app.store.writer import Writer
from app.store.writer_batch import Work

SEED = 7
STREAM = """subscription(
  $types: [LaunchpadEventType!], $filter: TokenFilter, $start: StreamStart, $delivery: StreamDelivery,
  $commitment: Commitment
) {
  launchpadStream(types: $types, filter: $filter, start: $start, delivery: $delivery, commitment: $commitment) {
    cursor phase gap { dropped } head { slot }
    events {
      id cursor type token { mintAddress } curveProgress graduation { mintAddress pool { address } }
      signature slot timestamp commitment
    }
  }
}"""


async def _nothing(batch: Batch) -> None:
    """Nobody listens."""


async def payload(listener: Listener) -> dict[str, Any]:
    found: dict[str, Any] = (await listener.data())["launchpadStream"]
    return found


async def events(listener: Listener, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(SECONDS):
        while len(found) < count:
            found += (await payload(listener))["events"]
    return found


async def everything(server: Server, **variables: Any) -> list[dict[str, Any]]:
    """All that is stored, up to the first heartbeat."""
    head = await read_head(server.hub.engine)
    await until(lambda: head is None or server.hub.sequence >= head.sequence)
    listener = await server.live(STREAM, start={"slot": "0"}, delivery={"heartbeatMs": 100}, **variables)
    found: list[dict[str, Any]] = []
    while told := (await payload(listener))["events"]:
        found += told
    await listener.stop()
    return found


def same(one: dict[str, Any]) -> tuple[Any, ...]:
    """What of an event does not depend on when it was read."""
    return one["id"], one["type"], one["token"]["mintAddress"], one["signature"], one["slot"], one["curveProgress"]


async def test_live_and_stored_are_the_same_events_in_the_same_order(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        live = await server.live(STREAM)
        await feed(engine, hub.bus.publish, SEED, 140)
        stored = await everything(server)
        assert {each["type"] for each in stored} == {"CREATED", "CURVE_PROGRESS", "COMPLETED", "GRADUATED"}
        assert list(map(same, await events(live, len(stored)))) == list(map(same, stored))
        assert all((each["graduation"] is not None) == (each["type"] == "GRADUATED") for each in stored)


async def test_any_cursor_goes_on_with_the_next_event_across_the_seam(engine: AsyncEngine) -> None:
    await feed(engine, _nothing, SEED, 50)
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        before = await everything(server)
        resumed = await server.live(STREAM, start={"cursor": before[3]["cursor"]})
        await feed(engine, hub.bus.publish, SEED, 140, start=50)
        rest = (await everything(server))[4:]
        assert len(rest) > len(before) - 4, "some come live"
        assert list(map(same, await events(resumed, len(rest)))) == list(map(same, rest))


async def test_each_event_is_found_again_by_its_id(engine: AsyncEngine) -> None:
    await feed(engine, _nothing, SEED, 140)
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on LaunchpadEvent { type slot signature } } }"
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        told = await everything(server)
        data = await Asked(engine, server.cursors, SETTINGS, []).answer(query, ids=[each["id"] for each in told])
        names = ("id", "type", "slot", "signature")
        assert data["nodes"] == [{name: each[name] for name in names} for each in told]


@pytest.mark.parametrize(
    "variables",
    [
        {"types": ["CREATED", "COMPLETED"]},
        {"types": ["CURVE_PROGRESS"], "filter": {"mintAddress": {"eq": mint(SEED)}}},
        {"types": ["METADATA_RESOLVED"]},
    ],
)
async def test_types_and_filter_mean_the_same_live_and_stored(engine: AsyncEngine, variables: dict[str, Any]) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        live = await server.live(STREAM, **variables)
        await feed(engine, hub.bus.publish, SEED, 140)
        stored = await everything(server)
        wanted = [each for each in stored if each["type"] in variables["types"]]
        if "filter" in variables:
            wanted = [each for each in wanted if each["token"]["mintAddress"] == mint(SEED)]
        assert list(map(same, await everything(server, **variables))) == list(map(same, wanted))
        assert list(map(same, await events(live, len(wanted)))) == list(map(same, wanted))


async def test_the_newest_so_many_of_all_kinds_together(engine: AsyncEngine) -> None:
    await feed(engine, _nothing, SEED, 140)
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        expected = (await everything(server))[-5:]
        listener = await server.live(STREAM, start={"last": 5})
        assert list(map(same, await events(listener, 5))) == list(map(same, expected))


async def test_progress_is_told_when_a_trade_passes_a_whole_per_cent_up_or_down(engine: AsyncEngine) -> None:
    coin, percent = address("coin"), 793_100_000 * 10**6 // 100
    offered = percent * 100

    def swap(number: int, side: Side, amount: int, left: int) -> Any:
        return trade(
            mint=coin, signature=signature(f"swap {number}"), event_index=0, transaction_index=number + 1,
            side=side, base_amount=amount, real_base_reserves=left,
        )  # fmt: skip

    story = [
        launch(mint=coin, transaction_index=0),
        swap(1, Side.BUY, percent // 2, offered - percent // 2),
        swap(2, Side.BUY, percent, offered - percent - percent // 2),
        swap(3, Side.BUY, percent // 4, offered - percent - 3 * percent // 4),
        swap(4, Side.SELL, percent, offered - 3 * percent // 4),
        completion(mint=coin, signature=signature("done"), transaction_index=9),
    ]
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        live = await server.live(STREAM)
        async with Writer(engine, SETTINGS, source="test", is_simulated=True) as writer:
            await hub.bus.publish((await writer.write(Work(events=story))).batch)
        got = await events(live, 4)
        assert [each["type"] for each in got] == ["CREATED", "CURVE_PROGRESS", "CURVE_PROGRESS", "COMPLETED"]
        assert [each["curveProgress"] for each in got] == pytest.approx([0, 0.015, 0.0075, 1])
        assert list(map(same, await everything(server))) == list(map(same, got))


FORK = forked(11, depth=40)


async def test_what_a_fork_takes_back_is_told_with_the_token_as_it_was(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        live = await server.live(STREAM, commitment="PROCESSED")
        async with Writer(engine, SETTINGS, source="test", is_simulated=False) as writer:
            for work in [*works(FORK.trunk, 9), *works(FORK.gone, 6)]:
                await hub.bus.publish((await writer.write(work)).batch)
            had = await events(live, len(await everything(server, commitment="PROCESSED")))
            await hub.bus.publish((await writer.write(Work(retracted=FORK.retracted))).batch)
            left = {each["id"] for each in await everything(server, commitment="PROCESSED")}
            gone = [each for each in had if each["id"] not in left and each["type"] != "CURVE_PROGRESS"]
            assert {each["type"] for each in gone} >= {"COMPLETED", "GRADUATED"}
            told = await events(live, len(gone))
        assert {each["type"] for each in told} == {"ROLLED_BACK"}
        assert sorted((each["token"]["mintAddress"], each["slot"]) for each in told) == sorted(
            (each["token"]["mintAddress"], each["slot"]) for each in gone
        )


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"start": {"last": 10_001}}, "`start.last` must be 0 to 10,000"),
        ({"delivery": {"maxBatch": 0}}, "`delivery.maxBatch` must be 1 to 1,000."),
        ({"filter": {"mintAddress": {"eq": "x"}}}, "must be a Solana address"),
    ],
)
async def test_a_wrong_argument_is_told(engine: AsyncEngine, variables: dict[str, Any], told: str) -> None:
    async with running_hub(engine) as hub:
        listener = await (await serve(engine, hub)).live(STREAM, **variables)
        with pytest.raises(Ended) as ended:
            await listener.read()
        assert told in ended.value.errors[0]["message"]
