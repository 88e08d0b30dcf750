"""Completeness, checked and not assumed: finalized blocks are read again and compared with what is stored."""

import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import aclosing
from typing import Final

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.events import Event, Launch, Migration, Trade
from app.domain.slots import SlotRange, union
from app.store.audit import StoredEvent, read_events
from indexer.entries import EARLIEST, LATEST, read_entry
from indexer.pools import PoolBook
from indexer.rpc.node import Node
from indexer.rpc.span import proven_blocks
from indexer.transaction import Transaction

SLOTS_AT_ONCE: Final = 100
_SHOWN: Final = 20


class Difference(msgspec.Struct, frozen=True):
    """One event that chain and store do not tell alike."""

    slot: int
    signature: str
    """Empty where only the store knows the event."""
    what: str


class Verdict(msgspec.Struct):
    """What was compared so far, and how it came out."""

    slots: int = 0
    blocks: int = 0
    on_chain: int = 0
    """Trades, launches and graduations."""
    captured: int = 0
    """Of those, stored with equal amounts."""
    missing: int = 0
    different: int = 0
    phantom: int = 0
    """Stored, but not on the chain."""
    shown: list[Difference] = []
    """The first differences."""

    @property
    def is_perfect(self) -> bool:
        return not (self.missing or self.different or self.phantom)

    @property
    def text(self) -> str:
        """Rate and counts, for people."""
        rate = "no event in these slots" if not self.on_chain else f"capture rate {_percent(self)} %"
        lines = [
            f"{self.slots:,} slots, {self.blocks:,} blocks read again: {self.on_chain:,} events on chain, {rate}.",
            f"{self.missing:,} missing, {self.different:,} different, {self.phantom:,} stored that are not on chain.",
        ]
        lines += [f"  slot {each.slot} {each.signature} {each.what}".rstrip() for each in self.shown]
        return "\n".join(lines)


def _percent(verdict: Verdict) -> str:
    """Rounded down: 100.0000 is said only of all."""
    millionths = verdict.captured * 1_000_000 // verdict.on_chain
    return f"{millionths // 10_000}.{millionths % 10_000:04d}"


def sample(slots: SlotRange, blocks: int | None, seed: int) -> list[SlotRange]:
    """All slots, or so many of them drawn at random, neighbours joined."""
    if blocks is None or slots.last - slots.first < blocks:
        return [slots]
    drawn = random.Random(seed).sample(range(slots.first, slots.last + 1), blocks)
    return union(SlotRange(each, each) for each in drawn)


async def verify(
    engine: AsyncEngine, node: Node, ranges: Iterable[SlotRange], on_progress: Callable[[Verdict], None]
) -> Verdict:
    """Reads the blocks of these slots again and compares. Raises SourceLost (Unproven) when nodes do not give one."""
    pools = PoolBook()
    await pools.load(engine)
    verdict = Verdict()
    for slots in ranges:
        async for read, transactions in _blocks(node, slots, verdict):
            await _compare(engine, read, _events(transactions, pools), verdict)
            on_progress(verdict)
    return verdict


async def _blocks(node: Node, slots: SlotRange, verdict: Verdict) -> AsyncIterator[tuple[SlotRange, list[Transaction]]]:
    """Transactions of up to so many slots at once, with these slots."""
    first, transactions = slots.first, list[Transaction]()
    async with aclosing(proven_blocks(node, slots)) as pieces:
        async for piece in pieces:
            verdict.slots += piece.slots.last - piece.slots.first + 1
            verdict.blocks += piece.block is not None
            transactions += piece.block.transactions if piece.block else ()
            if piece.slots.last - first >= SLOTS_AT_ONCE or piece.slots.last == slots.last:
                yield SlotRange(first, piece.slots.last), transactions
                first, transactions = piece.slots.last + 1, []


def _events(transactions: Sequence[Transaction], pools: PoolBook) -> list[Event]:
    events: list[Event] = []
    for each in transactions:
        entry = read_entry(each, pools)
        pools.learn(entry.events)
        events += [event for event in entry.events if isinstance(event, Trade | Launch | Migration)]
    return events


async def _compare(engine: AsyncEngine, slots: SlotRange, events: Sequence[Event], verdict: Verdict) -> None:
    # Slots in which the chain has nothing of ours give no time: all times are looked through then.
    times = [event.block_time for event in events] or [EARLIEST, LATEST]
    stored = await read_events(engine, slots, min(times), max(times))
    for event in events:
        verdict.on_chain += 1
        held = stored.pop(event.identity, None)
        if held == _told(event):
            verdict.captured += 1
            continue
        verdict.missing += held is None
        verdict.different += held is not None
        _show(verdict, event.slot, event.signature, "is missing" if held is None else f"is stored as {held}")
    verdict.phantom += len(stored)
    for held in stored.values():
        _show(verdict, held.slot, "", f"only the store has {held}")


def _told(event: Event) -> StoredEvent:
    if isinstance(event, Trade):
        return StoredEvent(event.slot, event.base_amount, event.quote_amount)
    return StoredEvent(event.slot)


def _show(verdict: Verdict, slot: int, signature: str, what: str) -> None:
    if len(verdict.shown) < _SHOWN:
        verdict.shown.append(Difference(slot, signature, what))
