"""The pipeline on transactions of the programs' own layouts: stored once, announced in order, nothing lost."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import asyncpg
import msgspec
import pytest
from chain import CREATOR, MINT, POOL, call, data_line, event, from_logs, key, self_cpi, swap_buy, transaction
from dumps import dump
from factories import signature
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.programs import PUMP_SWAP, WSOL, Commitment
from app.domain.records import Batch
from app.domain.slots import SlotRange
from app.errors import ForkTooDeep, SourceLost
from app.settings import Settings
from app.store.checkpoints import read_checkpoint
from app.store.dead_letters import list_dead_letters
from app.store.feed import read_batch
from indexer.layouts.pump import PUMP
from indexer.layouts.pump_amm import PUMP_AMM
from indexer.pipeline import Counters
from indexer.run import run_indexer
from indexer.sources import Delivery, Unreadable
from indexer.transaction import Transaction

LIMIT_SECONDS = 30.0
SETTINGS = Settings(sol_usd="150", batch_max_rows=20)


@dataclass
class Bus:
    """A bus in memory that can be away."""

    batches: list[Batch] = field(default_factory=list)
    is_away: bool = False
    begins_at: int | None = None

    async def publish(self, batch: Batch) -> None:
        if self.is_away:
            raise ConnectionError("away")
        self.batches.append(batch)

    async def last_sequence(self) -> int | None:
        if self.is_away:
            raise ConnectionError("away")
        return self.batches[-1].last_sequence if self.batches else self.begins_at


@dataclass
class ListSource:
    """Delivers a list, one a delivery, resumable by its index; `lost_at` breaks once before that index."""

    transactions: list[Transaction]
    name: str = "list"
    is_simulated: bool = True
    lost_at: set[int] = field(default_factory=set)
    on_delivery: Callable[[int], None] = lambda index: None

    async def stream(self, state: bytes | None) -> AsyncIterator[Delivery]:
        start = int(state or b"0")
        for index in range(start, len(self.transactions)):
            if index in self.lost_at:
                self.lost_at.discard(index)
                raise SourceLost("as the test wants")
            self.on_delivery(index)
            yield Delivery(transactions=(self.transactions[index],), state=str(index + 1).encode())


def buys(count: int) -> list[Transaction]:
    """pump.fun buys of three tokens by five wallets."""
    return [
        transaction(
            call(PUMP, "buy"),
            self_cpi(
                PUMP,
                event(
                    PUMP,
                    "TradeEvent",
                    mint=key(20 + n % 3),
                    user=key(30 + n % 5),
                    creator=CREATOR,
                    is_buy=True,
                    sol_amount=1_000_000 + n,
                    token_amount=2_000_000 + n,
                    virtual_sol_reserves=30_000_000_000 + n,
                    virtual_token_reserves=10**15 - n,
                    timestamp=1_790_000_000 + n,
                ),
            ),
            signature=signature(f"buy {n}"),
            slot=450_000_000 + n,
        )
        for n in range(count)
    ]


async def index(engine: AsyncEngine, source: ListSource, bus: Bus, settings: Settings = SETTINGS) -> Counters:
    async with asyncio.timeout(LIMIT_SECONDS):
        return await run_indexer(settings, engine, source, bus, once=True)


async def test_everything_is_stored_once_and_announced_in_order(engine: AsyncEngine) -> None:
    bus = Bus()
    counters = await index(engine, ListSource(buys(100)), bus)
    assert (counters.transactions, counters.decoded, counters.stored, counters.duplicates) == (100, 100, 100, 0)
    told = [trade.sequence for batch in bus.batches for trade in batch.trades]
    assert told == list(range(1, 101))
    for former, batch in itertools.pairwise(bus.batches):
        assert batch.previous_sequence == former.last_sequence


async def test_a_second_run_goes_on_after_the_checkpoint(engine: AsyncEngine) -> None:
    await index(engine, ListSource(buys(30)), Bus())
    counters = await index(engine, ListSource(buys(50)), Bus())
    assert (counters.transactions, counters.stored) == (20, 20)
    checkpoint = await read_checkpoint(engine, "list")
    assert checkpoint is not None
    assert checkpoint.state == b"50"


async def test_replayed_under_another_name_nothing_changes(engine: AsyncEngine, database_url: str) -> None:
    tables = ("trades", "tokens", "venues", "candles_1m", "token_traders", "token_stats")
    await index(engine, ListSource(buys(60)), Bus())
    before = await dump(database_url, tables)
    counters = await index(engine, ListSource(list(reversed(buys(60))), name="again"), Bus())
    assert (counters.stored, counters.duplicates) == (0, 60)
    assert await dump(database_url, tables) == before


async def test_a_bus_that_is_away_does_not_stop_ingestion_and_gets_everything_when_it_is_back(
    engine: AsyncEngine,
) -> None:
    bus = Bus(is_away=True)
    bus.begins_at = 0

    def come_back(position: int) -> None:
        bus.is_away = position < 150

    await index(engine, ListSource(buys(200), on_delivery=come_back), bus)
    told = [trade.sequence for batch in bus.batches for trade in batch.trades]
    assert told == list(range(1, 201))


async def test_what_was_committed_but_not_announced_is_announced_by_the_next_start(engine: AsyncEngine) -> None:
    bus = Bus()
    await index(engine, ListSource(buys(40)), bus)
    del bus.batches[1:]  # as if the process had died before it published these
    assert bus.batches[-1].last_sequence < 40
    await index(engine, ListSource(buys(40)), bus)
    told = [trade.sequence for batch in bus.batches for trade in batch.trades]
    assert told == list(range(1, 41))


async def test_a_source_that_is_lost_is_opened_again_where_it_was(engine: AsyncEngine) -> None:
    bus = Bus()
    running = asyncio.create_task(
        run_indexer(SETTINGS, engine, ListSource(buys(60), lost_at={25, 40}), bus, once=False)
    )
    async with asyncio.timeout(LIMIT_SECONDS):
        while not bus.batches or bus.batches[-1].last_sequence < 60:
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert [trade.sequence for batch in bus.batches for trade in batch.trades] == list(range(1, 61))


async def test_the_database_may_be_cut_off_at_any_moment(engine: AsyncEngine, database_url: str) -> None:
    bus = Bus(begins_at=0)
    cuts: set[asyncio.Task[None]] = set()

    def cut(position: int) -> None:
        if position % 40 == 20:
            cuts.add(asyncio.create_task(_end_our_sessions(database_url)))

    counters = await index(engine, ListSource(buys(200), on_delivery=cut), bus)
    await asyncio.gather(*cuts)
    assert len(cuts) == 5
    assert counters.dead_letters == 0
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT count(*) FROM trades") == 200
    assert await connection.fetchval("SELECT sum(trades) FROM candles_1d") == 200
    assert await connection.fetchval("SELECT sum(trade_count) FROM tokens") == 200
    assert await connection.fetchval("SELECT last_sequence FROM feed") == 200
    await connection.close()
    assert [trade.sequence for batch in bus.batches for trade in batch.trades] == list(range(1, 201))


async def _end_our_sessions(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'curvecast'"
    )
    await connection.close()


async def test_a_standby_takes_over_when_the_writer_ends(engine: AsyncEngine) -> None:
    first_bus, second_bus = Bus(begins_at=0), Bus(begins_at=0)
    first = asyncio.create_task(run_indexer(SETTINGS, engine, ListSource(buys(20)), first_bus, once=False))
    async with asyncio.timeout(LIMIT_SECONDS):
        while not first_bus.batches or first_bus.batches[-1].last_sequence < 20:
            await asyncio.sleep(0.01)
        second = asyncio.create_task(run_indexer(SETTINGS, engine, ListSource(buys(30)), second_bus, once=True))
        await asyncio.sleep(0)
        assert not second.done()
        first.cancel()
        counters = await second
    assert counters.stored == 10
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_what_cannot_be_decoded_is_kept_once_and_what_cannot_be_read_is_counted(engine: AsyncEngine) -> None:
    broken = transaction(
        call(PUMP, "buy"), self_cpi(PUMP, event(PUMP, "TradeEvent")[:20]), signature=signature("broken")
    )
    for name in ("one", "two"):
        await index(engine, ListSource([broken, *buys(1)], name=name), Bus())
    letters = await list_dead_letters(engine)
    assert [letter.signature for letter in letters] == [signature("broken")]
    assert "TradeEvent" in letters[0].cause

    class Garbled(ListSource):
        async def stream(self, state: bytes | None) -> AsyncIterator[Delivery]:
            yield Delivery(unreadable=(Unreadable("file.json:3", "not JSON"),))

    counters = await index(engine, Garbled([], name="garbled"), Bus())
    assert counters.unreadable == 1


async def test_a_transaction_that_the_database_cannot_hold_does_not_stop_the_others(engine: AsyncEngine) -> None:
    poison = buys(11)[10]
    unsigned = Transaction(
        signature="not base58", slot=1, transaction_index=None, block_time=poison.block_time,
        commitment=poison.commitment, failed=False, accounts=poison.accounts, instructions=poison.instructions,
    )  # fmt: skip
    counters = await index(engine, ListSource([*buys(5), unsigned, *buys(10)[5:]]), Bus())
    assert (counters.stored, counters.dead_letters) == (10, 1)
    (letter,) = await list_dead_letters(engine)
    assert letter.cause.startswith("cannot be stored")


async def test_the_stored_tail_reads_the_same_as_what_was_announced(engine: AsyncEngine) -> None:
    bus = Bus()
    await index(engine, ListSource(buys(45)), bus)
    stored = await read_batch(engine, 0)
    assert stored is not None
    announced = [trade for batch in bus.batches for trade in batch.trades]
    assert list(stored.trades) == announced
    newest = {token.mint: token for batch in bus.batches for token in batch.tokens}
    assert {token.mint: token for token in stored.tokens} == newest


async def test_a_trade_that_waited_for_its_pool_is_stored_once_the_pool_is_known(
    engine: AsyncEngine, database_url: str
) -> None:
    waiting = from_logs(
        f"Program {PUMP_SWAP} invoke [1]",
        data_line(swap_buy()),
        f"Program {PUMP_SWAP} success",
        signature=signature("waiting"),
    )
    created = event(
        PUMP_AMM, "CreatePoolEvent", timestamp=1_790_000_000, base_mint=MINT, quote_mint=WSOL, base_mint_decimals=6,
        quote_mint_decimals=9, pool_base_amount=10**6, pool_quote_amount=10**6, pool=POOL,
    )  # fmt: skip
    bus = Bus()
    first = await index(engine, ListSource([waiting], name="logs"), bus)
    assert (first.stored, first.dead_letters) == (0, 1)
    pool = transaction(call(PUMP_AMM, "create_pool"), self_cpi(PUMP_AMM, created), signature=signature("pool"))
    await index(engine, ListSource([pool], name="pools"), bus)
    assert await list_dead_letters(engine) == []
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT count(*) FROM trades") == 1
    await connection.close()
    assert [trade.signature for batch in bus.batches for trade in batch.trades] == [signature("waiting")]


def confirmed(count: int) -> list[Transaction]:
    return [msgspec.structs.replace(each, commitment=Commitment.CONFIRMED) for each in buys(count)]


@dataclass
class ForkingSource(ListSource):
    """Delivers each transaction, then says that the last ones left the chain and come in later slots."""

    is_simulated: bool = False
    fork: int = 3
    retracted: tuple[int, ...] = ()

    async def stream(self, state: bytes | None) -> AsyncIterator[Delivery]:
        for each in self.transactions:
            yield Delivery(transactions=(each,))
        again = [msgspec.structs.replace(each, slot=each.slot + 1_000) for each in self.transactions[-self.fork :]]
        left = self.retracted or tuple(each.slot for each in self.transactions[-self.fork :])
        yield Delivery(retracted=left, transactions=tuple(again), complete=(SlotRange(again[0].slot, again[-1].slot),))


async def test_what_left_the_chain_is_withdrawn_before_the_other_fork_is_stored(engine: AsyncEngine) -> None:
    bus = Bus()
    counters = await index(engine, ForkingSource(confirmed(12)), bus)
    stored = await read_batch(engine, 0)
    assert stored is not None
    assert counters.stored == 15
    assert [trade.slot for trade in stored.trades][-3:] == [450_001_009, 450_001_010, 450_001_011]
    assert len(stored.trades) == 12
    assert len([each for batch in bus.batches for each in batch.rolled_back]) == 3
    for former, batch in itertools.pairwise(bus.batches):
        assert batch.previous_sequence == former.last_sequence


async def test_a_fork_that_is_deeper_than_finality_ends_the_indexer_with_one_clear_error(
    engine: AsyncEngine, database_url: str
) -> None:
    class Final(ForkingSource):
        async def stream(self, state: bytes | None) -> AsyncIterator[Delivery]:
            yield Delivery(transactions=tuple(self.transactions), finalized_slot=450_000_011)
            yield Delivery(retracted=(450_000_011,))

    with pytest.raises(ForkTooDeep, match=r"slot 450000011 .* final"):
        await index(engine, Final(confirmed(12)), Bus())
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval("SELECT count(*) FROM trades") == 12
    await connection.close()
