"""A fork as subscribers see it: what they have not got yet of it never comes, and the feed goes on without a hole."""

import asyncio
from contextlib import AsyncExitStack
from typing import TypeVar

import pytest
from forks import forked, works
from live.feeding import SECONDS, SETTINGS, Collector, running_hub, until
from sqlalchemy.ext.asyncio import AsyncEngine

from app.bus.codec import decode, encode
from app.domain.records import Batch, TradeRecord
from app.live.hub import Hub
from app.live.keys import TokenState
from app.live.mailbox import Mailbox
from app.live.streams import follow, mint_trades
from app.store.feed import read_batch
from app.store.writer import Writer
from app.store.writer_batch import Work

FORK = forked(11, depth=5)
BEFORE, GONE = works(FORK.trunk, 40), works(FORK.gone, 6)
AFTER = works(FORK.stays, 6, retracted=FORK.retracted)
T = TypeVar("T")
MINT = FORK.gone[0][0].mint


async def write(engine: AsyncEngine, given: list[Work]) -> list[Batch]:
    async with Writer(engine, SETTINGS, source="test", is_simulated=False) as writer:
        return [(await writer.write(work)).batch for work in given]


async def publish(hub: Hub, batches: list[Batch]) -> None:
    for batch in batches:
        await hub.bus.publish(decode(encode(batch)))


async def got(mailbox: Mailbox[T]) -> T:
    async with asyncio.timeout(SECONDS):
        return await mailbox.get()


def sequences(batches: list[Batch], mint: str) -> list[int]:
    return [trade.sequence for batch in batches for trade in batch.trades if trade.mint == mint]


@pytest.mark.parametrize("is_lost", [False, True], ids=["told by the bus", "read from the store"])
async def test_withdrawn_trades_that_wait_are_not_delivered(engine: AsyncEngine, is_lost: bool) -> None:
    before = await write(engine, BEFORE)
    gone = await write(engine, GONE)
    async with running_hub(engine) as hub, AsyncExitStack() as joined:
        hub.sequence = before[-1].last_sequence
        mailboxes: dict[str, Mailbox[TradeRecord]] = {
            mint: Mailbox(1_000) for mint in {event.mint for event, _ in FORK.gone}
        }
        for mint, mailbox in mailboxes.items():
            joined.enter_context(hub.trades.join(mint, mailbox))
        await publish(hub, gone)
        await until(lambda: hub.sequence == gone[-1].last_sequence)
        after = await write(engine, AFTER)
        if not is_lost:
            await publish(hub, after)
        await until(lambda: hub.sequence == after[-1].last_sequence)
        for mint, mailbox in mailboxes.items():
            expected = sequences(after, mint)
            assert [(await got(mailbox)).sequence for _ in expected] == expected
            mailbox.close()


async def test_the_state_of_a_token_goes_back_on_its_subscription(engine: AsyncEngine) -> None:
    trunk = await write(engine, BEFORE)
    known = {token.mint: token for batch in trunk for token in batch.tokens}
    await write(engine, GONE)
    async with running_hub(engine) as hub:
        mailbox: Mailbox[TokenState] = Mailbox(100)
        with hub.tokens.join(MINT, mailbox):
            await publish(hub, await write(engine, [Work(retracted=FORK.retracted)]))
            assert (await got(mailbox)).token == known[MINT]


async def test_a_cursor_of_a_withdrawn_trade_goes_on_with_what_came_after(engine: AsyncEngine) -> None:
    await write(engine, BEFORE)
    gone = await write(engine, GONE)
    cursor = sequences(gone, MINT)[0]
    after = await write(engine, AFTER)
    async with running_hub(engine) as hub:
        subscriber = Collector(follow(hub, mint_trades(hub, MINT), cursor, 1_000))
        stored = await read_batch(engine, cursor)
        assert stored is not None
        expected = [trade for trade in stored.trades if trade.mint == MINT]
        assert [trade.sequence for trade in expected] == sequences(after, MINT)
        await subscriber.has(expected)
        await subscriber.stop()
