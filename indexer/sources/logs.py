"""The live chain by what its nodes tell for free: the logs of our programs' transactions.

pump.fun and PumpSwap print their events. Meteora does not, and long logs are cut: those transactions are fetched,
within a rate that free nodes allow. Logs prove nothing complete: what is known to be missing is told for the backfill.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import islice
from typing import Final

import msgspec

from app.domain.health import DEGRADED, OK
from app.domain.programs import Commitment
from app.domain.slots import Gap, SlotRange
from app.errors import SourceLost, StartupError
from indexer.decoders import PROGRAMS
from indexer.rpc.fetching import Fetched, Fetcher, Wanted, Why
from indexer.rpc.heads import SILENCE_SECONDS
from indexer.rpc.listening import Opened, listen
from indexer.rpc.logs_socket import Logged, Ticked
from indexer.rpc.node import Node, Signed
from indexer.rpc.pool import Pool
from indexer.sources import Delivery
from indexer.sources.holes import Hole, list_hole
from indexer.sources.logged import read_logged
from indexer.transaction import Transaction

_INBOX: Final = 10_000
_BATCH: Final = 500
_REMEMBERED: Final = 50_000
"""Signatures: a transaction of two programs is told twice, and a hole's signatures reach into what was heard."""
_POOLS: Final = 500_000
_SETTLE_SECONDS: Final = 1.0
"""Nodes list a transaction a moment after they tell its logs."""


class _State(msgspec.Struct, frozen=True, array_like=True):
    genesis: str | None
    slot: int


_STATE: Final = msgspec.msgpack.Decoder(_State)


_News = Logged | Ticked | Fetched | Opened | SourceLost


class LogsSource:
    """Listens through the best node's WebSocket. StartupError for a commitment that is none.

    Without a state it begins now; with one the time since is a gap, filled by signatures as far as the node allows.
    Raises SourceLost when no node tells logs.
    """

    name = "logs"
    is_simulated = False

    def __init__(
        self,
        pool: Pool,
        commitment: str = "confirmed",
        requests_per_second: float = 5.0,
        *,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        if commitment.upper() not in Commitment.__members__:
            raise StartupError(
                f"CURVECAST_RPC_COMMITMENT is {commitment!r}: it must be processed, confirmed or finalized."
            )
        self.pool = pool
        self.missed = 0
        """Transactions that could not be had."""
        self._commitment = Commitment[commitment.upper()]
        self._per_second = requests_per_second
        self._silence_seconds = silence_seconds
        self._node = Node(pool)
        self._known: OrderedDict[str, None] = OrderedDict()
        self._pools: OrderedDict[str, None] = OrderedDict()

    def components(self) -> list[tuple[str, str, str]]:
        """(name, OK, DEGRADED or DOWN, detail) of each node, and what is being fetched."""
        waiting = self._fetcher.waiting if hasattr(self, "_fetcher") else 0
        detail = f"{waiting} transactions wait to be fetched, {self.missed} could not be had"
        return [*self.pool.components(), ("logs", DEGRADED if self.missed else OK, detail)]

    async def stream(self, state: bytes | None) -> AsyncIterator[Delivery]:
        """Deliveries of what came since the last one, without an end."""
        last = _STATE.decode(state) if state else None
        self.pool.follow(last.genesis if last else None)
        self._tip = 0
        # Slots of logs, which come when a slot is as certain as was asked for: some later than the slot is told.
        self._heard = last.slot if last else 0
        self._is_new = False
        self._inbox: asyncio.Queue[_News] = asyncio.Queue(_INBOX)
        self._holes: list[Hole] = []
        self._partial: dict[str, Transaction] = {}
        self._fetcher = Fetcher(self._node, self._commitment, self._per_second, self._inbox.put)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.pool)
            await stack.enter_async_context(self._fetcher)
            listening = listen(self.pool, PROGRAMS, self._commitment, self._silence_seconds, self._inbox.put)
            self._tasks = {asyncio.create_task(listening)}
            stack.push_async_callback(self._stop)
            while True:
                batch = _Batch()
                for news in await self._gather():
                    self._take(news, batch)
                yield self._delivery(batch)

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _gather(self) -> list[_News]:
        news = [await self._inbox.get()]
        while len(news) < _BATCH and not self._inbox.empty():
            news.append(self._inbox.get_nowait())
        return news

    def _take(self, news: _News, batch: "_Batch") -> None:
        match news:
            case SourceLost():
                raise news
            case Opened():
                self._is_new = True
            case Fetched():
                self._take_fetched(news, batch)
            case Ticked():
                if self._is_new:
                    self._begin(news.slot, batch)
                self._tip = max(self._tip, news.slot)
            case Logged():
                self._heard = max(self._heard, news.slot)
                self._take_logged(news, batch)

    def _take_logged(self, told: Logged, batch: "_Batch") -> None:
        telling = read_logged(told, self._commitment)
        if telling is None or told.signature in self._known:
            return
        _remember(self._known, told.signature, _REMEMBERED)
        if telling.is_whole:
            batch.transactions.append(telling.transaction)
            self._learn_pools(told, telling.pools)
        elif self._fetcher.want(Wanted(told.signature, told.slot, Why.LOSS)):
            self._partial[told.signature] = telling.transaction
        else:
            self._miss(
                telling.transaction, "more had to be fetched than CURVECAST_LOGS_REQUESTS_PER_SECOND allows", batch
            )

    def _learn_pools(self, told: Logged, pools: tuple[str, ...]) -> None:
        """Has the first swap of each pool fetched: its accounts name the mints, which the logs of later ones lack."""
        new = [pool for pool in pools if pool not in self._pools]
        if new and self._fetcher.want(Wanted(told.signature, told.slot, Why.POOL)):
            for pool in new:
                _remember(self._pools, pool, _POOLS)

    def _take_fetched(self, fetched: Fetched, batch: "_Batch") -> None:
        signature, _, why = fetched.wanted
        partial = self._partial.pop(signature, None)
        if fetched.transaction is not None:
            batch.transactions.append(fetched.transaction)
        elif partial is not None:
            self._miss(partial, "a transaction could not be fetched", batch)
        elif why is Why.HOLE:
            self.missed += 1
        for hole in [each for each in self._holes if signature in each.left]:
            hole.left.discard(signature)
            hole.has_failed |= fetched.transaction is None
        self._close_holes(batch)

    def _miss(self, partial: Transaction, why: str, batch: "_Batch") -> None:
        """What the logs do tell is taken; that there is more is known."""
        self.missed += 1
        batch.transactions.append(partial)
        batch.missing.append(Gap(SlotRange(partial.slot, partial.slot), why))

    def _begin(self, slot: int, batch: "_Batch") -> None:
        """All subscriptions are there by now, that to slots being the last: what is confirmed later will be heard."""
        self._is_new = False
        if self._heard == 0:
            self._heard = slot
            return
        hole = Hole(Gap(SlotRange(self._heard, max(slot, self._heard)), "logs were not being listened to"))
        batch.missing.append(hole.gap)
        self._holes.append(hole)
        task = asyncio.create_task(self._fill(hole))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fill(self, hole: Hole) -> None:
        def want(signed: Signed) -> bool:
            if signed.signature in self._known:
                return True
            hole.left.add(signed.signature)
            return self._fetcher.want(Wanted(signed.signature, signed.slot, Why.HOLE))

        await asyncio.sleep(_SETTLE_SECONDS)
        await list_hole(self._node, hole, PROGRAMS, self._fetcher.turn, want)

    def _close_holes(self, batch: "_Batch") -> None:
        over = [hole for hole in self._holes if hole.is_over]
        self._holes = [hole for hole in self._holes if not hole.is_over]
        batch.complete += [hole.slots for hole in over if not hole.has_failed]

    def _delivery(self, batch: "_Batch") -> Delivery:
        self._close_holes(batch)
        # A restart begins at what was not fetched yet: the signatures from there on are listed again.
        since = [hole.slots.first for hole in self._holes]
        since += [partial.slot for partial in islice(self._partial.values(), 1)]
        slot = min([self._heard, *since])
        return Delivery(
            transactions=tuple(batch.transactions),
            complete=tuple(batch.complete),
            missing=tuple(batch.missing),
            state=msgspec.msgpack.encode(_State(self.pool.genesis, slot)) if slot else b"",
            tip_slot=max(self._tip, self.pool.tip) or None,
        )


class _Batch:
    """What goes out with the next delivery."""

    def __init__(self) -> None:
        self.transactions: list[Transaction] = []
        self.complete: list[SlotRange] = []
        self.missing: list[Gap] = []


def _remember(seen: OrderedDict[str, None], key: str, most: int) -> None:
    seen[key] = None
    if len(seen) > most:
        seen.popitem(last=False)
