"""A minute of `make chaos`, and proof that its judge sees what it is there to see."""

import asyncio
import signal
from random import Random

import asyncpg
import pytest
from chaos.judge import judge
from chaos.market import Market
from chaos.proxy import Streams, serve_proxy
from chaos.run import Outcome, play
from chaos.scenarios import (
    Blow,
    Scenario,
    fork_and_kill,
    kill_indexer_and_redis,
    kill_the_indexer,
    restart_or_flush_redis,
)
from chaos.subscriber import Subscriber, compare
from chaos.undisturbed import index_undisturbed
from chaos.world import SOL_USD, World

from app.domain.programs import Commitment

SEED = 7
SECONDS = 9.0
"""Of blows, in each of the two samples."""


async def kill_the_postmaster(world: World, dice: Random) -> None:
    await world.restart_postgres(signal.SIGKILL)


async def cut_the_node(world: World, dice: Random) -> None:
    world.links.nodes[0].reset()


def in_turn(*blows: Blow) -> Blow:
    """One blow after the other, from the first one again."""
    left: list[Blow] = []

    async def blow(world: World, dice: Random) -> None:
        left.extend([] if left else blows)
        await left.pop(0)(world, dice)

    return blow


def assert_good(outcome: Outcome) -> None:
    assert outcome.faults == []
    assert outcome.verdict.events > 300, "the chain held too little to prove anything"
    assert outcome.kills >= 1


async def test_nothing_is_lost_doubled_or_made_up_when_processes_are_killed() -> None:
    blows = in_turn(
        kill_the_indexer, kill_the_postmaster, kill_the_indexer, cut_the_node, kill_indexer_and_redis,
        restart_or_flush_redis,
    )  # fmt: skip
    assert_good(await play(Scenario("sample", blows, blows=6), SEED, seconds=SECONDS))


async def test_nothing_is_lost_doubled_or_made_up_when_the_chain_forks_and_the_indexer_is_killed() -> None:
    assert_good(await play(Scenario("sample", fork_and_kill, blows=6, forks=True), SEED, seconds=SECONDS))


def trade(number: int) -> str:
    return f"sequence = (SELECT sequence FROM trades ORDER BY sequence LIMIT 1 OFFSET {number})"


# What is done to the tables, in which list of the verdict it must be, and what is said of it there.
DAMAGES = (
    ("DELETE FROM trades WHERE sequence = (SELECT max(sequence) FROM trades)", "lost", ""),
    ("DELETE FROM graduations WHERE sequence = (SELECT max(sequence) FROM graduations)", "wrong", "graduations: only"),
    ("UPDATE tokens SET launch_identity = NULL WHERE id = 1", "wrong", "tokens: only here"),
    (
        "INSERT INTO trades SELECT (jsonb_populate_record(t, jsonb_build_object('block_time', block_time + '1s'))).*"
        f" FROM trades t WHERE {trade(10)}",
        "doubled",
        "",
    ),
    (f"UPDATE trades SET identity = decode('00', 'hex') || substr(identity, 2) WHERE {trade(20)}", "phantom", ""),
    (f"UPDATE trades SET base_amount = base_amount + 1 WHERE {trade(30)}", "wrong", "trades: only here"),
    (f"UPDATE trades SET sequence = 1000000 WHERE {trade(40)}", "wrong", "is of nothing"),
    ("UPDATE candles_1m SET volume = volume + 1e-9 WHERE token_id = 1", "wrong", "candles_1m: only undisturbed"),
    ("UPDATE candles_1h SET high = high * 2 WHERE token_id = 1", "wrong", "has another high"),
    ("DELETE FROM candles_1d WHERE token_id = 1", "wrong", "is on one side only"),
    ("UPDATE token_accounts SET amount = amount + 1 WHERE token_id = 1", "wrong", "token_accounts: only here"),
    ("INSERT INTO gaps VALUES (1, 2, 'nobody knows', now(), 'rpc')", "gaps", "1-2 nobody knows"),
)


async def test_the_judge_sees_every_kind_of_damage(database_url: str, second_database_url: str) -> None:
    market = Market(SEED, rate=40, speed=1)
    await market.chain.advance(120)
    await market.end()
    chain = market.chain
    span = (chain.first_slot, chain.tip(Commitment.CONFIRMED))
    await index_undisturbed(database_url, chain, *span, SOL_USD)
    connection = await asyncpg.connect(database_url)
    for damage, *_ in DAMAGES:
        done = await connection.execute(damage)
        assert not done.endswith(" 0"), f"nothing was damaged by {damage}"
    await connection.close()
    verdict = await judge(database_url, second_database_url, chain, *span, SOL_USD)
    for damage, name, told in DAMAGES:
        assert any(told in each for each in getattr(verdict, name)), damage
    assert len(verdict.lost) == 4, "a trade, a graduation, a launch, and the trade under another name"
    assert len(verdict.phantom) == 1
    assert len(verdict.doubled) == 1


@pytest.mark.parametrize("got", ["", "ac", "abbc", "acb", "abcd", "ab"])
def test_the_judge_sees_what_a_subscriber_missed_or_got_twice(got: str) -> None:
    subscriber = Subscriber("", "", "", {})
    subscriber.ids = [*got]
    assert compare("trades", subscriber, ["a", "b", "c"])


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(100):
        writer.write(data)
    writer.close()


async def test_the_proxy_holds_a_message_before_it_arrives_or_its_answer() -> None:
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def connect() -> Streams:
        return await asyncio.open_connection("127.0.0.1", port)

    async with serve_proxy(connect) as proxy, asyncio.timeout(5):
        for before in (True, False):
            reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
            hold = proxy.hold(b"COMMIT", before=before)
            writer.write(b"SELECT")
            assert await reader.readexactly(6) == b"SELECT"
            assert not hold.caught.is_set()
            writer.write(b"COMMIT")
            await hold.caught.wait()
            answer = asyncio.create_task(reader.readexactly(6))
            assert not (await asyncio.wait({answer}, timeout=0.1))[0]
            proxy.release(arrives=True)
            assert await answer == b"COMMIT"
            writer.close()
    server.close()
