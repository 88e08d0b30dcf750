"""Equal subscriptions as one group: one execution for all, nobody's trouble anybody else's, and nothing left behind."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest
from fanout.listening import TRADES, Ended, Listener, serve
from live.feeding import feed, mint, running_hub, trades_of, until
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain.records import Batch
from app.execution.requests import GraphQLRequest
from app.store.statistics import WindowKey, read_volumes

SEED = 7
MINT = mint(SEED)


async def test_equal_subscriptions_share_the_bytes_of_one_execution(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        members = [await server.live(TRADES, mint=MINT) for _ in range(3)]
        await feed(engine, hub.bus.publish, SEED, 80)
        expected = await trades_of(engine, MINT)
        await until(lambda: all(len(member.payloads) == len(expected) for member in members))
        first = members[0]
        for other in members[1:]:
            assert all(one is two for one, two in zip(first.payloads, other.payloads, strict=True))


async def test_a_group_joined_after_a_replay_is_the_one_of_those_who_never_left(engine: AsyncEngine) -> None:
    await feed(engine, _nothing, SEED, 40)
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        live, resumed = await server.live(TRADES, mint=MINT), Listener()
        await server.live(TRADES, resumed, mint=MINT, after=server.cursor(0))
        before = len(resumed.payloads)
        assert before == len(await trades_of(engine, MINT))
        await feed(engine, hub.bus.publish, SEED, 80, start=40)
        expected = await trades_of(engine, MINT)
        await until(lambda: len(resumed.payloads) == len(expected))
        assert resumed.payloads[before:] == live.payloads


async def test_who_reads_too_little_is_told_where_to_resume_and_nobody_else_notices(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub, limit=3)
        slow, quick = Listener(room=1), Listener()
        for member in (slow, quick):
            await server.live(TRADES, member, mint=MINT)
        await feed(engine, hub.bus.publish, SEED, 80)
        expected = await trades_of(engine, MINT)
        await until(lambda: len(quick.payloads) == len(expected))
        got = await slow.records(1)
        with pytest.raises(Ended) as ended:
            await slow.read()
        assert ended.value.extensions["code"] == "LAGGED"
        again = await server.live(TRADES, mint=MINT, after=ended.value.extensions["cursor"])
        assert [*got, *await again.records(len(expected) - 1)] == expected


async def test_a_short_pause_of_the_client_costs_nothing(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        member = await server.live(TRADES, Listener(room=2), mint=MINT)
        await feed(engine, hub.bus.publish, SEED, 80)
        expected = await trades_of(engine, MINT)
        assert await member.records(len(expected)) == expected


async def test_memberships_that_come_and_go_leave_nothing(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        stays = await server.live(TRADES, mint=MINT)
        for _ in range(100_000):
            member = Listener()
            assert server.fanout.join(GraphQLRequest(TRADES, {"mint": MINT}, None), member)
            member.leave()
        assert server.fanout.members == 1
        stays.leave()
        assert server.fanout.members == 0
        assert server.fanout.groups == 0


async def test_a_group_ends_with_its_last_member_and_begins_anew(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        await (await server.live(TRADES, mint=MINT)).stop()
        assert server.fanout.groups == 0
        member = await server.live(TRADES, mint=MINT)
        await feed(engine, hub.bus.publish, SEED, 40)
        expected = await trades_of(engine, MINT)
        assert await member.records(len(expected)) == expected


async def test_subscriptions_end_with_the_hub_and_say_that_a_retry_is_right(engine: AsyncEngine) -> None:
    async with running_hub(engine) as hub:
        member = await (await serve(engine, hub)).live(TRADES, mint=MINT)
    with pytest.raises(Ended) as ended:
        await member.read()
    assert ended.value.extensions["code"] == "SERVICE_UNAVAILABLE"


async def _nothing(batch: Batch) -> None:
    """Nobody listens."""


async def test_a_group_that_was_left_and_joined_again_waits_for_reads_as_before(engine: AsyncEngine) -> None:
    waits = "subscription($mint: String!) { trades(mintAddress: $mint) { signature token { volume24h } } }"
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        first = await server.live(waits, mint=MINT)
        request, second = GraphQLRequest(waits, {"mint": MINT}, None), Listener()
        await feed(engine, hub.bus.publish, SEED, 40)
        assert server.fanout.join(request, second)
        first.leave()
        await feed(engine, hub.bus.publish, SEED, 80, start=40)
        expected = [each for each in await trades_of(engine, MINT) if each.sequence > 40]
        await until(lambda: bool(second.payloads) and second.payloads[-1].records == (expected[-1],))
        second.leave()
        assert server.fanout.groups == 0


async def test_nested_reads_of_all_groups_of_an_event_are_one(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []

    async def counted(connection: AsyncConnection, keys: Sequence[WindowKey], head: int) -> Mapping[WindowKey, Decimal]:
        reads.append(len(keys))
        return await read_volumes(connection, keys, head)

    monkeypatch.setattr("app.schema.loaders.read_volumes", counted)
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        members = [
            await server.live(
                f'subscription {{ trades(mintAddress: "{MINT}") {{ {name}: token {{ volume24h }} }} }}',
            )
            for name in ("one", "two", "three")
        ]
        await feed(engine, hub.bus.publish, SEED, 60)
        expected = await trades_of(engine, MINT)
        await until(lambda: all(len(member.payloads) == len(expected) for member in members))
        assert server.fanout.groups == 3
        assert len(reads) <= len(expected), "each step of the feed is read for once, whoever asks"
