"""Anything in any order: a chain that grows, forks and becomes final is told to the writer by sources that repeat,
reorder, leave out and die, and after each batch the store is what was told of it, exactly once.

A class of Hypothesis holds its rules and their judge in one place, which makes this module long.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import asyncpg
import msgspec
from blocktree import MINTS, Tree, Wish
from breaking import END_OTHERS, FAULTY, Fault, failing, make_faulty
from dumps import TABLES, dump, folded_candles, stored_candles
from factories import SLOT0
from forks import Story
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from told import Follower, Told

from app.domain.candles import Interval
from app.domain.events import Completion, Event, Launch, Migration, Trade
from app.domain.programs import Commitment
from app.domain.slots import Gap, SlotRange
from app.settings import Settings
from app.store.engine import create_engine
from app.store.feed import read_batch
from app.store.gaps import open_gaps
from app.store.stats import recompute_stats
from app.store.writer import Writer
from app.store.writer_batch import Work
from app.store.writer_journal import name_of
from app.store.writer_states import chain_key

SETTINGS = Settings(sol_usd="150.25")
COMPARED = tuple(table for table in TABLES if table != "wallets")
"""A wallet that was only ever seen on an abandoned branch keeps its number: nothing shows it."""
_NUMBERED = """
SELECT sequence FROM trades UNION ALL SELECT sequence FROM graduations UNION ALL SELECT sequence FROM retractions
UNION ALL SELECT launch_sequence FROM tokens WHERE launch_sequence IS NOT NULL
UNION ALL SELECT completed_sequence FROM tokens WHERE completed_sequence IS NOT NULL
UNION ALL SELECT number FROM retractions, unnest(sequences) AS number WHERE number > 0
"""
Answer = TypeVar("Answer")
_wishes = st.lists(st.tuples(st.integers(0, len(MINTS) - 1), st.sampled_from(Wish)), max_size=4)
_faults = st.none() | st.builds(Fault, st.sampled_from(FAULTY), st.booleans(), st.booleans())
_early = st.sampled_from([Commitment.PROCESSED, Commitment.CONFIRMED])
_some = st.integers(0, 255)
"""Bits: which of several."""


class Market(RuleBasedStateMachine):
    """The chain as it is, what was told of it, and a store that was told."""

    def __init__(self, url: str, other_url: str) -> None:
        super().__init__()
        self.url, self.other_url = url, other_url
        self.tree, self.told, self.follower = Tree(), Told(), Follower()
        self.runner = asyncio.Runner()
        self.run(self._start())

    def run(self, step: Coroutine[Any, Any, Answer]) -> Answer:
        return self.runner.run(step)

    @initialize(wishes=_wishes)
    def begin(self, wishes: list[tuple[int, Wish]]) -> None:
        self.tree.extend(0, wishes)

    @rule(skipped=st.integers(0, 2), wishes=_wishes)
    def extend(self, skipped: int, wishes: list[tuple[int, Wish]]) -> None:
        self.tree.extend(skipped, wishes)

    @rule(depth=st.integers(1, 6), skipped=st.integers(0, 2), kept=_some, wishes=_wishes)
    def fork(self, depth: int, skipped: int, kept: int, wishes: list[tuple[int, Wish]]) -> None:
        self.tree.fork(depth, skipped, kept, wishes)

    @precondition(lambda self: self.tree.rivals)
    @rule(which=st.integers(0, 5))
    def go_back_to_another_branch(self, which: int) -> None:
        rivals = self.tree.rivals
        self.tree.tip = rivals[which % len(rivals)]

    @rule(newest=st.integers(0, 6), count=st.integers(1, 3), part=_some, level=_early, fault=_faults)
    def deliver(self, newest: int, count: int, part: int, level: Commitment, fault: Fault | None) -> None:
        """Some of some blocks, of any branch, also again; in the order of the chain when `part` is even."""
        open_blocks = self.tree.open
        end = max(0, len(open_blocks) - newest)
        story = [each for block in open_blocks[max(0, end - count) : end] for each in block.story]
        if part % 2:
            story.reverse()
        self.write(_work(_picked(story, part), level), fault)

    @rule(level=_early, fault=_faults)
    def follow(self, level: Commitment, fault: Fault | None) -> None:
        """As a source does that has every block: what left the chain, and all that it did not give yet."""
        given = {slot for slot, _ in self.told.handed}
        blocks = [block for block in self.tree.chain if block.slot > self.tree.finalized and block.slot not in given]
        work = _work([each for block in blocks for each in block.story], level)
        work.retracted = self._abandoned()
        work.tip_slot = self.tree.tip
        self.write(work, fault)

    @rule(depth=st.integers(0, 4), part=_some, fault=_faults)
    def finalize(self, depth: int, part: int, fault: Fault | None) -> None:
        """Some of what is final now comes with it, the rest has come or will be filled."""
        final = [block for block in self.tree.chain if block.slot > self.tree.finalized][: -depth or None]
        if not final:
            return
        work = _work(_picked([each for block in final for each in block.story], part), Commitment.FINALIZED)
        work.retracted = self._abandoned()
        work.finalized_slot = final[-1].slot
        if self.write(work, fault):
            self.tree.finalized = final[-1].slot

    @rule(back=st.integers(0, 20), length=st.integers(1, 6), fault=_faults)
    def miss(self, back: int, length: int, fault: Fault | None) -> None:
        first = max(SLOT0, self.tree.tip - back)
        self.write(Work(missing=[Gap(SlotRange(first, first + length), "the node was away")]), fault)

    @rule(which=st.integers(0, 10), level=_early, fault=_faults)
    def fill(self, which: int, level: Commitment, fault: Fault | None) -> None:
        """A block of the chain is read whole, with the skipped slots before it."""
        chain = self.tree.chain[1:]
        block = chain[which % len(chain)]
        work = _work(block.story, Commitment.FINALIZED if block.slot <= self.tree.finalized else level)
        work.complete = [SlotRange(block.parent + 1, block.slot)]
        self.write(work, fault)

    @rule(is_told_again=st.booleans())
    def crash(self, is_told_again: bool) -> None:
        """The writer dies between two batches, its last one was published or not."""
        self.run(self._crash())
        if is_told_again:
            self.write(_work([each for block in self.tree.chain[-2:] for each in block.story], Commitment.PROCESSED))

    def teardown(self) -> None:
        try:
            self.write(Work(retracted=self._abandoned()))
            for block in self.tree.chain:
                work = _work(block.story, Commitment.CONFIRMED)
                work.complete = [SlotRange(block.parent + 1 if block.parent else block.slot, block.slot)]
                self.write(work)
            self.run(self._compare())
        finally:
            self.run(self._stop())
            self.runner.close()

    def write(self, work: Work, fault: Fault | None = None) -> bool:
        """Writes and judges; False when the batch was refused, which leaves no trace."""
        is_stored = self.run(self._write(work, fault))
        (self.told.take if is_stored else self.told.refuse)(work)
        if not is_stored and fault is not None and fault.is_last:
            self.run(self._crash())
        self.run(self._judge())
        return is_stored

    def _abandoned(self) -> list[int]:
        """Slots that the store was told and that are not in the chain."""
        return sorted(self.told.slots - {block.slot for block in self.tree.chain})

    async def _start(self) -> None:
        self.watch = await asyncpg.connect(self.url)
        await _empty(self.watch)
        await self._open()

    async def _open(self) -> None:
        self.engine = create_engine(self.url, SETTINGS)
        self.writer = Writer(self.engine, SETTINGS, source="test", is_simulated=False)
        await self.writer.__aenter__()

    async def _close(self) -> None:
        await self.writer.__aexit__(None, None, None)
        await self.engine.dispose()

    async def _crash(self) -> None:
        """Its connections are gone before it can say anything; the rest only frees its memory."""
        await self.watch.execute(END_OTHERS)
        await self._close()
        await self._open()

    async def _stop(self) -> None:
        await self._close()
        await self.watch.close()

    async def _write(self, work: Work, fault: Fault | None) -> bool:
        try:
            async with failing(self.watch, fault):
                stored = await self.writer.write(work)
        except asyncpg.RaiseError:
            return False
        if stored.batch.previous_sequence != self.follower.sequence:
            await self._repair(stored.batch.previous_sequence)
        self.follower.take(stored.batch)
        return True

    async def _repair(self, last: int) -> None:
        batch = await read_batch(self.engine, self.follower.sequence)
        assert batch is not None
        assert batch.last_sequence == last
        self.follower.take(batch)

    async def _judge(self) -> None:
        stored = self.told.stored.values()
        traded = [event for event in stored if isinstance(event, Trade)]
        rows = await self.watch.fetch(
            "SELECT identity, position, extract(epoch FROM block_time)::bigint AS time, base_amount::bigint,"
            " quote_amount::bigint, commitment FROM trades"
        )
        assert sorted(tuple(row) for row in rows) == sorted(
            (each.identity, each.position, each.block_time, each.base_amount, each.quote_amount, each.commitment)
            for each in traded
        )
        assert self.follower.trades.keys() == {each.identity for each in traded}
        graduated = {row[0] for row in await self.watch.fetch("SELECT identity FROM graduations")}
        assert graduated == self.follower.graduations == {e.identity for e in stored if isinstance(e, Migration)}
        launched = await self._mints("launch_sequence")
        assert launched == self.follower.launched == {each.mint for each in stored if isinstance(each, Launch)}
        assert await self._mints("completed_sequence") == {e.mint for e in stored if isinstance(e, Completion)}
        assert await self._mints("id") == {each.mint for each in stored}
        numbers = sorted(row[0] for row in await self.watch.fetch(_NUMBERED))
        assert numbers == list(range(1, self.follower.sequence + 1))
        await self._judge_gaps()

    async def _judge_gaps(self) -> None:
        ranges = [gap.slots for gap in await open_gaps(self.engine)]
        missing = {slot for each in ranges for slot in range(each.first, each.last + 1)}
        assert self.told.missing <= missing
        assert missing - self.told.missing <= self.told.passed_over
        chain = {block.slot for block in self.tree.chain}
        lost = {slot for slot, name in self.told.handed if slot in chain and name not in self.told.stored}
        assert lost <= missing, "what was handed over and is not stored is known to be missing"

    async def _mints(self, column: str) -> set[str]:
        return {row[0] for row in await self.watch.fetch(f"SELECT mint FROM tokens WHERE {column} IS NOT NULL")}

    async def _compare(self) -> None:
        """With a store that was told nothing but the chain, once."""
        await recompute_stats(self.engine)
        found = await dump(self.url, COMPARED)
        for table, rows in (await self._fresh()).items():
            assert found[table] == rows, table
        page = await read_batch(self.engine, 0)
        trades = [] if page is None else list(page.trades)
        for interval, table in ((Interval.M1, "candles_1m"), (Interval.D1, "candles_1d")):
            assert await stored_candles(self.url, table) == folded_candles(trades, interval)

    async def _fresh(self) -> dict[str, list[str]]:
        connection = await asyncpg.connect(self.other_url)
        await _empty(connection)
        await connection.close()
        engine = create_engine(self.other_url, SETTINGS)
        chain, feed = self.tree.chain, self.writer.feed
        work = Work(
            events=[self.told.stored[name_of(event, chain_key(event))] for block in chain for event, _ in block.story],
            balances=[each for block in chain for _, held in block.story for each in held],
            complete=[SlotRange(SLOT0, feed.complete_slot or SLOT0)],  # never moves back, by design
            finalized_slot=self.told.finalized,
            tip_slot=feed.tip_slot,
        )
        async with Writer(engine, SETTINGS, source="test", is_simulated=False) as writer:
            await writer.write(work)
        await recompute_stats(engine)
        await engine.dispose()
        return await dump(self.other_url, COMPARED)


def _picked(story: Story, part: int) -> Story:
    """Some of it; all of it where every bit is set or none."""
    return [each for number, each in enumerate(story) if part in (0, 255) or part >> number % 8 & 1]


def _work(story: Story, level: Commitment) -> Work:
    return Work(
        events=[_at(event, level) for event, _ in story],
        balances=[each for _, held in story for each in held],
    )


def _at(event: Event, level: Commitment) -> Any:
    return msgspec.structs.replace(event, commitment=level)


async def _empty(connection: asyncpg.Connection) -> None:
    await connection.execute(f"TRUNCATE {', '.join((*TABLES, 'journal', 'retractions', 'gaps'))}")


def test_whatever_is_told_in_whatever_order_is_stored_once(
    anyio_backend: str, database_url: str, second_database_url: str
) -> None:
    asyncio.run(make_faulty(database_url))

    class Given(Market):
        def __init__(self) -> None:
            super().__init__(database_url, second_database_url)

    run_state_machine_as_test(
        Given,
        settings=settings(
            max_examples=10, stateful_step_count=20, derandomize=True, suppress_health_check=list(HealthCheck)
        ),
    )
