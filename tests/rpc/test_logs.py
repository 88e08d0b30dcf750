"""The chain by its logs, from a node with faults: what logs tell, what is fetched, what is said to be missing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from rpc.judging import Judge, span

from app.domain.programs import METEORA_DBC, Commitment, Protocol
from app.errors import SourceLost, StartupError
from indexer.rpc.fetching import _ROOM, Why
from indexer.rpc.logs_socket import Logged
from indexer.rpc.pool import Pool
from indexer.sources.logged import read_logged
from indexer.sources.logs import LogsSource
from node.chain import Chain, Mix
from node.faults import Kind
from node.material import simulated
from node.serving import Node, serve_node
from node.truth import true_trades

pytestmark = pytest.mark.usefixtures("quick")
STARTED = 1_790_000_000


def made() -> Chain:
    return Chain(simulated(rate=20, tokens=10, started=STARTED), Mix(seed=3))


def source(*nodes: Node, per_second: float = 500.0, silence: float = 10.0) -> LogsSource:
    pool = Pool(",".join(node.setting for node in nodes), look_seconds=0.1, patience_seconds=0.3)
    return LogsSource(pool, "confirmed", per_second, silence_seconds=silence)


@asynccontextmanager
async def heard(chain: Chain, per_second: float = 500.0, silence: float = 10.0) -> AsyncIterator[tuple[Node, Judge]]:
    """A node over a chain of 40 slots whose logs are being listened to."""
    await chain.advance(40)
    async with serve_node(chain) as node, Judge(source(node, per_second=per_second, silence=silence)) as judge:
        await listening(node, chain, judge)
        yield node, judge


async def listening(node: Node, chain: Chain, judge: Judge) -> None:
    """Waits until every subscription is there: a slot is told."""
    await judge.until(lambda: node.sockets == 1)
    before = len(judge.deliveries)
    async with asyncio.timeout(10):
        while len(judge.deliveries) < before + 3:
            await chain.advance()
            await asyncio.sleep(0.02)


def true(chain: Chain, first: int) -> set[bytes]:
    return set(true_trades(chain, first=first, last=chain.tip(Commitment.CONFIRMED)))


async def test_every_trade_is_heard_or_fetched() -> None:
    chain = made()
    async with heard(chain) as (_, judge):
        first = chain.tip(Commitment.CONFIRMED) + 1
        await chain.advance(30)
        await judge.until(lambda: true(chain, first) <= judge.trades)
        programs = {trade.program for trade in true_trades(chain, first=first).values()}
        assert {Protocol.METEORA_DBC, Protocol.PUMP_FUN} <= programs
        assert judge.trades_since(first) == true(chain, first)
    assert not judge.missing


async def test_the_mints_of_a_pool_are_learned_from_one_fetch() -> None:
    chain = Chain(simulated(rate=60, tokens=4, started=STARTED), Mix(seed=3))
    await chain.advance(80)
    async with heard(chain) as (node, judge):
        first = chain.tip(Commitment.CONFIRMED) + 1
        await chain.advance(25)
        await judge.until(lambda: true(chain, first) <= judge.trades)
        trades = true_trades(chain, first=first, last=chain.tip(Commitment.CONFIRMED)).values()
    swaps = {each.signature for each in trades if each.program is Protocol.PUMP_SWAP}
    others = {each.signature for each in trades if each.program is Protocol.METEORA_DBC}
    assert len(swaps) > 50
    assert node.requests.count("getTransaction") <= len(others) + 10


async def test_only_what_logs_cannot_tell_is_fetched() -> None:
    chain = made()
    async with heard(chain) as (node, judge):
        first = chain.tip(Commitment.CONFIRMED) + 1
        fetched = node.requests.count("getTransaction")
        await chain.advance(30)
        await judge.until(lambda: true(chain, first) <= judge.trades)
        trades = true_trades(chain, first=first, last=chain.tip(Commitment.CONFIRMED)).values()
        silent = {each.signature for each in trades if each.program is Protocol.METEORA_DBC}
        assert node.requests.count("getTransaction") - fetched <= len(silent) + 3  # launches that nobody traded in


async def test_what_logs_tell_does_not_wait_for_what_is_fetched() -> None:
    chain = made()
    async with heard(chain, per_second=0.5) as (_, judge):
        first = chain.tip(Commitment.CONFIRMED) + 1
        await chain.advance(20)
        trades = true_trades(chain, first=first, last=chain.tip(Commitment.CONFIRMED))
        printed = {identity for identity, trade in trades.items() if trade.program is Protocol.PUMP_FUN}
        await judge.until(lambda: printed <= judge.trades)
        assert set(trades) - judge.trades


async def test_what_is_more_than_the_rate_allows_is_told_as_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(_ROOM, Why.LOSS, 2)
    chain = made()
    async with heard(chain, per_second=0.5) as (_, judge):
        await chain.advance(40)
        await judge.until(lambda: bool(judge.missing))
    assert "CURVECAST_LOGS_REQUESTS_PER_SECOND" in judge.missing[0].why


async def test_a_transaction_that_cannot_be_fetched_is_told_as_missing() -> None:
    chain = made()
    async with heard(chain) as (node, judge):
        node.faults.add(Kind.MALFORMED, "getTransaction")
        first = chain.tip(Commitment.CONFIRMED) + 1
        await chain.advance(10)
        await judge.until(lambda: bool(judge.missing))
        assert all(span(gap)[0] == span(gap)[1] >= first for gap in judge.missing)


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.RESET, Kind.HALF_OPEN])
async def test_a_lost_connection_is_a_gap_that_its_signatures_fill(kind: Kind) -> None:
    chain = made()
    await chain.advance(40)
    async with serve_node(chain, speed=20) as node, Judge(source(node, silence=0.3)) as judge:
        await judge.until(lambda: len(judge.trades) > 20)
        first = chain.tip(Commitment.CONFIRMED) + 1
        node.act(kind)
        await judge.until(lambda: bool(judge.missing) and judge.missing[0].slots in judge.ranges)
        expected = set(true_trades(chain, first=first, last=judge.missing[0].slots.last))
        await judge.until(lambda: expected <= judge.trades)


async def test_a_restart_fills_the_time_since() -> None:
    chain = made()
    async with heard(chain) as (node, judge):
        first = chain.tip(Commitment.CONFIRMED) + 1
        await chain.advance(10)
        await judge.until(lambda: true(chain, first) <= judge.trades)
        await judge.__aexit__()
        await chain.advance(20)
        async with judge:
            await listening(node, chain, judge)
            await judge.until(lambda: true(chain, first) <= judge.trades)
            (gap,) = judge.missing
            await judge.until(lambda: gap.slots in judge.ranges)


async def test_when_no_node_tells_logs_the_source_is_lost_and_says_why() -> None:
    chain = made()
    await chain.advance(40)
    async with serve_node(chain) as node:
        node.faults.add(Kind.STATUS, "connect", status=403)
        async with Judge(source(node)) as judge:
            with pytest.raises(SourceLost, match=f"no node tells logs: 127.0.0.1:{node.port}"):
                await judge.until(lambda: False)


def test_a_truncated_log_is_not_whole_and_a_mention_is_nothing() -> None:
    invoked = f"Program {METEORA_DBC} invoke [1]"
    assert read_logged(Logged(1, "s", (), False), Commitment.CONFIRMED) is None
    assert read_logged(Logged(1, "s", (invoked,), True), Commitment.CONFIRMED) is None
    telling = read_logged(Logged(1, "s", (invoked, "Log truncated"), False), Commitment.CONFIRMED)
    assert telling is not None
    assert not telling.is_whole


def test_a_commitment_that_is_none_is_refused() -> None:
    with pytest.raises(StartupError, match="processed, confirmed or finalized"):
        LogsSource(Pool("http://127.0.0.1:8899"), "sure")
