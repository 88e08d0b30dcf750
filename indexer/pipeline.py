"""Source to store to bus: takes deliveries, decodes, batches, writes, announces."""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import msgspec

from app.cancellation import heed
from app.domain.slots import settle_gaps
from app.errors import DecodeError, ForkTooDeep
from app.settings import Settings
from app.store.checkpoints import Checkpoint
from app.store.dead_letters import DeadLetter
from app.store.writer import Writer
from app.store.writer_batch import Stored, Work
from indexer.announcing import Announcing
from indexer.completeness import Ledger
from indexer.entries import Entry, dead_letters, read_entry
from indexer.pools import PoolBook
from indexer.sources import Delivery
from indexer.transaction import Transaction

_LOG = logging.getLogger(__name__)
_DECODED_BATCHES = 2
"""Batches that may wait for the writer."""
_DECODED_AT_ONCE = 16
"""Transactions: about a millisecond."""


class _Arrival(NamedTuple):
    at: float
    """`time.time()`."""
    delivery: Delivery


@dataclass(slots=True)
class _Decoded:
    """A batch on its way from decoding to the writer."""

    work: Work
    entries: list[Entry] = field(default_factory=list)
    rows: int = 0


class Counters(msgspec.Struct):
    """What happened so far, for progress lines and the end of a replay."""

    transactions: int = 0
    failed: int = 0
    """Transactions that failed on chain: they hold nothing."""
    decoded: int = 0
    """Events."""
    stored: int = 0
    """Events that were new."""
    duplicates: int = 0
    unreadable: int = 0
    """Pieces of input that are no transaction we know how to read."""
    dead_letters: int = 0
    """What a known program emitted and we could not decode or store."""
    batches: int = 0


class Pipeline:
    """One source's way into the store. `counters` may be read at any time."""

    def __init__(
        self,
        settings: Settings,
        writer: Writer,
        pools: PoolBook,
        announcing: Announcing,
        source: str,
        counters: Counters | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        self.counters = counters or Counters()
        self.has_new_pools = False
        """Set when a pool became known: trades that waited for it can be decoded now."""
        self._settings = settings
        self._writer = writer
        self._pools = pools
        self._announcing = announcing
        self._source = source
        self._ledger = ledger

    async def run(
        self, deliveries: AsyncIterator[Delivery], on_progress: Callable[[Counters], None] = lambda counters: None
    ) -> None:
        """Stores deliveries until there are no more. The next batch is decoded while one is being stored."""
        arrivals: asyncio.Queue[_Arrival | None] = asyncio.Queue(self._settings.source_queue_size)
        batches: asyncio.Queue[_Decoded | None] = asyncio.Queue(_DECODED_BATCHES)
        stages = [
            asyncio.create_task(_pump(deliveries, arrivals)),
            asyncio.create_task(self._decode(arrivals, batches)),
        ]
        try:
            while (batch := await batches.get()) is not None:
                await self._write(batch)
                on_progress(self.counters)
            for stage in stages:
                await stage  # raises what the source raised
        finally:
            for stage in stages:
                stage.cancel()
            await asyncio.gather(*stages, return_exceptions=True)

    async def _decode(
        self, arrivals: "asyncio.Queue[_Arrival | None]", batches: "asyncio.Queue[_Decoded | None]"
    ) -> None:
        try:
            is_open = True
            while is_open:
                gathered, is_open = await self._gather(arrivals)
                if gathered:
                    async for batch in self._read(gathered):
                        await batches.put(batch)
            await batches.put(None)
        except Exception:
            await batches.put(None)  # as in `_pump`
            raise

    async def _gather(self, queue: "asyncio.Queue[_Arrival | None]") -> tuple[list[_Arrival], bool]:
        """Deliveries that come within the time and size of a batch, and whether more may follow."""
        arrivals: list[_Arrival] = []
        arrival = await queue.get()
        deadline = asyncio.get_running_loop().time() + self._settings.batch_max_milliseconds / 1_000
        transactions = 0
        while arrival is not None:
            arrivals.append(arrival)
            transactions += len(arrival.delivery.transactions)
            if transactions >= self._settings.batch_max_rows:
                return arrivals, True
            try:
                async with asyncio.timeout_at(deadline):
                    arrival = queue.get_nowait() if queue.qsize() else await queue.get()
            except TimeoutError:
                return arrivals, True
        return arrivals, False

    async def _read(self, arrivals: Sequence[_Arrival]) -> AsyncIterator[_Decoded]:
        """Decodes deliveries into as many batches as their rows need; the last one moves the checkpoint.

        Gives way after every few transactions, so that the batch that is being stored never waits for this one.
        """
        batch = _Decoded(Work(arrived_at=arrivals[0].at))
        for arrival in arrivals:
            if arrival.delivery.retracted:
                if batch.entries:
                    yield batch  # it may hold what is now to be withdrawn
                    batch = _Decoded(Work(arrived_at=arrival.at))
                batch.work.retracted.extend(arrival.delivery.retracted)
            self._note(batch.work, arrival.delivery)
            for number, transaction in enumerate(arrival.delivery.transactions):
                if number % _DECODED_AT_ONCE == 0:
                    await asyncio.sleep(0)
                entry = self._read_one(transaction)
                if batch.rows and batch.rows + entry.rows > self._settings.batch_max_rows:
                    yield batch
                    batch = _Decoded(Work(arrived_at=arrival.at))
                batch.entries.append(entry)
                batch.rows += entry.rows
            _end(batch.work, arrival.delivery)
        self._move_checkpoint(batch.work, [arrival.delivery for arrival in arrivals])
        yield batch

    def _note(self, work: Work, delivery: Delivery) -> None:
        work.rates.extend(delivery.rates)
        work.facts.extend(delivery.facts)
        self.counters.unreadable += len(delivery.unreadable)
        for piece in delivery.unreadable:
            _LOG.warning("unreadable input", extra={"where": piece.where, "why": piece.why})

    def _read_one(self, transaction: Transaction) -> Entry:
        entry = read_entry(transaction, self._pools)
        self.has_new_pools |= self._pools.learn(entry.events)
        self.counters.transactions += 1
        self.counters.failed += transaction.failed
        self.counters.decoded += len(entry.events)
        if self._ledger is not None and entry.events:
            self._ledger.note(self._source, transaction.slot, transaction.signature, len(entry.events))
        return entry

    def _move_checkpoint(self, work: Work, deliveries: Sequence[Delivery]) -> None:
        state = next((each.state for each in reversed(deliveries) if each.state), None)
        if state is not None:
            slots = [transaction.slot for each in deliveries for transaction in each.transactions]
            work.checkpoint = Checkpoint(self._source, max(slots, default=0), state)

    async def _write(self, batch: _Decoded) -> None:
        written = await write_entries(self._writer, batch.entries, batch.work)
        for each in written.stored:
            self.counters.stored += each.stored
            self.counters.duplicates += each.duplicates
            self.counters.dead_letters += each.dead_letters
            self.counters.batches += 1
            self._announcing.offer(each.batch)


@dataclass(slots=True)
class Written:
    """Batches that were committed, and letters for what the database would not take."""

    stored: list[Stored]
    refused: list[DeadLetter] = field(default_factory=list)


async def write_entries(writer: Writer, entries: Sequence[Entry], work: Work) -> Written:
    """Stores entries, in one batch if it can be. When the database refuses it, halves are tried, down to the one
    transaction that it cannot hold: that becomes a dead letter, and the others are stored."""
    try:
        return Written([await writer.write(_filled(work, entries))])
    except Exception as error:
        heed()
        if isinstance(error, ForkTooDeep):
            raise
        _LOG.warning("a batch was refused", extra={"cause": str(error), "transactions": len(entries)})
        if not entries:
            raise
        if len(entries) == 1:
            refused = _refused(entries[0], error)
            return Written([await writer.write(_filled(work, [refused]))], refused.letters)
    half = len(entries) // 2
    before = Work(rates=work.rates, retracted=work.retracted, arrived_at=work.arrived_at)
    first = await write_entries(writer, entries[:half], before)
    second = await write_entries(writer, entries[half:], replace(work, rates=[], retracted=[]))
    return Written(first.stored + second.stored, first.refused + second.refused)


def _filled(work: Work, entries: Sequence[Entry]) -> Work:
    return replace(
        work,
        events=[event for entry in entries for event in entry.events],
        arrived=[each for entry in entries for each in entry.arrived],
        balances=[balance for entry in entries for balance in entry.balances],
        dead_letters=[letter for entry in entries for letter in entry.letters],
    )


def _refused(entry: Entry, error: Exception) -> Entry:
    cause = DecodeError(f"cannot be stored: {type(error).__name__}")
    return Entry(entry.transaction, letters=[*entry.letters, *dead_letters(entry.transaction, [cause])])


def _end(work: Work, delivery: Delivery) -> None:
    """What a delivery says of the chain holds once its last transaction is stored."""
    work.finalized_slot = _higher(work.finalized_slot, delivery.finalized_slot)
    work.tip_slot = _higher(work.tip_slot, delivery.tip_slot)
    work.missing, work.complete = settle_gaps(work.missing, work.complete, delivery.missing, delivery.complete)


def _higher(known: int | None, told: int | None) -> int | None:
    return max((slot for slot in (known, told) if slot is not None), default=None)


async def _pump(deliveries: AsyncIterator[Delivery], queue: "asyncio.Queue[_Arrival | None]") -> None:
    """Moves deliveries into the queue; None ends it, also when the source fails."""
    try:
        async for delivery in deliveries:
            await queue.put(_Arrival(time.time(), delivery))
        await queue.put(None)
    except Exception:
        await queue.put(None)  # what came before is stored, then the error is raised
        raise
    finally:
        if isinstance(deliveries, AsyncGenerator):
            await deliveries.aclose()
