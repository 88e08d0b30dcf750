"""What a source handed over, folded as the store does it, against what is true on the node's chain."""

import asyncio
from collections.abc import Callable

from app.domain.events import Trade
from app.domain.slots import Gap, SlotRange
from indexer.decoders import decode
from indexer.pools import PoolBook
from indexer.sources import Delivery, Source
from indexer.transaction import Transaction
from node.chain import Chain
from node.truth import truth

SECONDS = 15.0


class Judge:
    """Reads a source in the background and folds its deliveries: retracted slots leave, transactions come."""

    def __init__(self, source: Source, state: bytes | None = None) -> None:
        self.deliveries: list[Delivery] = []
        self.state = state
        self._source = source
        self._seen: dict[int, dict[str, set[bytes]]] = {}
        self._trades: dict[bytes, int] = {}
        self._unnamed: list[Transaction] = []
        self._pools = PoolBook()
        self.complete: set[int] = set()
        self.doubled: list[str] = []

    async def __aenter__(self) -> "Judge":
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *raised: object) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)  # `until` has told what it raised

    async def _read(self) -> None:
        async for delivery in self._source.stream(self.state):
            self._take(delivery)

    def _take(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self.state = delivery.state or self.state
        for slot in delivery.retracted:
            self._seen.pop(slot, None)
            self.complete.discard(slot)
        for each in [*self._unnamed, *delivery.transactions]:
            decoded = decode(each, self._pools)
            self._pools.learn(decoded.events)
            if each in self._unnamed:
                self._unnamed.remove(each)
            if decoded.failures:
                self._unnamed.append(each)  # as dead letters are: tried again when more is known
            if decoded.events:
                held = self._seen.setdefault(each.slot, {})
                self.doubled += [each.signature] if each.signature in held else []
                self._trades |= {event.identity: each.slot for event in decoded.events if isinstance(event, Trade)}
                held[each.signature] = held.get(each.signature, set()) | {event.identity for event in decoded.events}
        for span in delivery.complete:
            self.complete |= set(range(span.first, span.last + 1))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Waits for it; fails when the source ends or the time is up."""
        async with asyncio.timeout(SECONDS):
            while not condition():
                if self._reading.done():
                    self._reading.result()
                    raise AssertionError("the source ended")
                await asyncio.sleep(0.005)

    async def reached(self, slot: int) -> None:
        """Waits until a slot is complete."""
        await self.until(lambda: slot in self.complete)

    @property
    def trades(self) -> set[bytes]:
        """Identities of all events that are there."""
        return {identity for held in self._seen.values() for each in held.values() for identity in each}

    def trades_since(self, slot: int) -> set[bytes]:
        """The same of trades from a slot on."""
        return {identity for identity, at in self._trades.items() if at >= slot}

    @property
    def ranges(self) -> list[SlotRange]:
        """What was said to be complete."""
        return ordered(self.deliveries)

    @property
    def finalized(self) -> int | None:
        """The newest slot that is said to be final."""
        return self.deliveries[-1].finalized_slot if self.deliveries else None

    @property
    def missing(self) -> list[Gap]:
        return [gap for delivery in self.deliveries for gap in delivery.missing]

    @property
    def retracted(self) -> list[int]:
        return [slot for delivery in self.deliveries for slot in delivery.retracted]

    def check(self, chain: Chain, first: int, last: int) -> None:
        """Everything from `first` to `last` is there once and nothing else, and these slots are said to be complete."""
        true: dict[int, dict[str, set[bytes]]] = {}
        for each in truth(chain, first=first, last=last):
            true.setdefault(each.slot, {})[each.signature] = {event.identity for event in each.events}
        assert {slot: held for slot, held in self._seen.items() if first <= slot <= last} == true
        assert not self.doubled
        assert set(range(first, last + 1)) - self.complete == set()
        assert true, "the chain held nothing of ours: this proves nothing"


def span(gap: Gap) -> tuple[int, int]:
    return gap.slots.first, gap.slots.last


def ordered(deliveries: list[Delivery]) -> list[SlotRange]:
    """The complete ranges as they came."""
    return [each for delivery in deliveries for each in delivery.complete]
