"""A fork as subscribers see it: what they have not got yet of it never comes, and the feed goes on without a hole."""

import pytest
from fanout.listening import TRADES, serve
from forks import forked, works
from live.feeding import SETTINGS, running_hub, until
from sqlalchemy.ext.asyncio import AsyncEngine

from app.bus.codec import decode, encode
from app.domain.programs import Commitment
from app.domain.records import Batch
from app.live.hub import Hub
from app.store.feed import read_batch
from app.store.writer import Writer
from app.store.writer_batch import Work

FORK = forked(11, depth=5)
BEFORE, GONE = works(FORK.trunk, 40), works(FORK.gone, 6)
AFTER = works(FORK.stays, 6, retracted=FORK.retracted)
MINT = FORK.gone[0][0].mint
PACED = """subscription {
  tradeStream(commitment: PROCESSED, delivery: {intervalMs: 1500, maxBatch: 1000}) { trades { signature } }
}"""
UPDATES = """subscription($mint: String!) {
  tokenUpdate(mintAddress: $mint, intervalMs: 0, snapshot: false) { mintAddress }
}"""


async def write(engine: AsyncEngine, given: list[Work]) -> list[Batch]:
    async with Writer(engine, SETTINGS, source="test", is_simulated=False) as writer:
        return [(await writer.write(work)).batch for work in given]


async def publish(hub: Hub, batches: list[Batch]) -> None:
    for batch in batches:
        await hub.bus.publish(decode(encode(batch)))


def sequences(batches: list[Batch], mint: str) -> list[int]:
    return [trade.sequence for batch in batches for trade in batch.trades if trade.mint == mint]


@pytest.mark.parametrize("is_lost", [False, True], ids=["told by the bus", "read from the store"])
async def test_withdrawn_trades_that_wait_are_not_delivered(engine: AsyncEngine, is_lost: bool) -> None:
    before = await write(engine, BEFORE)
    gone = await write(engine, GONE)
    async with running_hub(engine) as hub:
        hub.feed(Commitment.PROCESSED).rewind(before[-1].last_sequence)
        hub.sequence = before[-1].last_sequence
        listener = await (await serve(engine, hub)).live(PACED)
        await publish(hub, gone)
        await until(lambda: hub.sequence == gone[-1].last_sequence)
        sent = {record.sequence for payload in listener.payloads for record in payload.records}
        waiting = {trade.sequence for batch in gone for trade in batch.trades} - sent
        assert waiting
        after = await write(engine, AFTER)
        if not is_lost:
            await publish(hub, after)
        expected = [trade.sequence for batch in after for trade in batch.trades]
        got = [record.sequence for record in await listener.records(len(sent) + len(expected))]
        assert not waiting & set(got)
        assert got[len(sent) :] == expected


async def test_the_state_of_a_token_goes_back_on_its_subscription(engine: AsyncEngine) -> None:
    trunk = await write(engine, BEFORE)
    known = {token.mint: token for batch in trunk for token in batch.tokens}
    await write(engine, GONE)
    async with running_hub(engine) as hub:
        listener = await (await serve(engine, hub)).live(UPDATES, mint=MINT)
        await publish(hub, await write(engine, [Work(retracted=FORK.retracted)]))
        assert [state.token for state in await listener.records(1)] == [known[MINT]]


async def test_a_cursor_of_a_withdrawn_trade_goes_on_with_what_came_after(engine: AsyncEngine) -> None:
    await write(engine, BEFORE)
    gone = await write(engine, GONE)
    cursor = sequences(gone, MINT)[0]
    after = await write(engine, AFTER)
    async with running_hub(engine) as hub:
        server = await serve(engine, hub)
        subscriber = await server.live(TRADES, mint=MINT, after=server.cursor(cursor))
        stored = await read_batch(engine, cursor)
        assert stored is not None
        expected = [trade for trade in stored.trades if trade.mint == MINT]
        assert [trade.sequence for trade in expected] == sequences(after, MINT)
        await subscriber.has(expected)
