"""One Subscribe call of the Yellowstone face: what it asked for, what waits to be sent, and what faults do to it."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio

from indexer.sources.geyser import geyser_pb2 as pb
from node.blocks import Block, is_vote
from node.chain import Step
from node.faults import Fault, Kind
from node.landed import Landed
from node.protobuf import transaction_update
from node.serving import Node

STEPS: Final = (Step.PROCESSED, Step.CONFIRMED, Step.FINALIZED)
"""By the number of their CommitmentLevel."""
_STATUSES: Final = (pb.SLOT_PROCESSED, pb.SLOT_CONFIRMED, pb.SLOT_FINALIZED)
_MAX_QUEUE: Final = 500_000
FAILURES: Final = {
    Kind.RESET: (grpc.StatusCode.UNAVAILABLE, "connection reset"),
    Kind.CUT: (grpc.StatusCode.UNAVAILABLE, "connection closed"),
    Kind.STATUS: (grpc.StatusCode.UNAVAILABLE, "upstream is not well"),
    Kind.TOO_MANY: (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many subscriptions"),
    Kind.MALFORMED: (grpc.StatusCode.INTERNAL, "failed to decode Protobuf message"),
}
Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
Info: TypeAlias = Callable[[Landed], bytes]
"""Writes a transaction, or remembers how it was written for another subscriber."""


class Stream:
    """One Subscribe call."""

    def __init__(self, node: Node, context: Context, info: Info) -> None:
        self.request = pb.SubscribeRequest()
        self._node, self._context, self._info = node, context, info
        self._queue: asyncio.Queue[bytes | Fault | tuple[grpc.StatusCode, str]] = asyncio.Queue()
        self._held: bytes | None = None

    def hear(self, step: Step, block: Block) -> None:
        """What the filters have to say of a step."""
        if step is Step.RETRACTED:
            return  # as on mainnet: a client finds out by the parents of the blocks that take its place
        level = STEPS.index(step)
        if level == self.request.commitment:
            self._transactions(block)
            self._block_meta(block)
        is_asked = level == self.request.commitment
        names = [name for name, each in self.request.slots.items() if is_asked or not each.filter_by_commitment]
        if names:
            update = pb.SubscribeUpdateSlot(slot=block.slot, parent=block.parent_slot, status=_STATUSES[level])
            self.put("slot", pb.SubscribeUpdate(filters=names, slot=update))

    def act(self, fault: Fault | Kind) -> None:
        """Ends or freezes the stream behind what is queued."""
        self._queue.put_nowait(fault if isinstance(fault, Fault) else Fault(kind=fault))

    def fail(self, code: grpc.StatusCode, why: str) -> None:
        """Ends the stream with an error."""
        self._queue.put_nowait((code, why))

    def put(self, on: str, update: pb.SubscribeUpdate) -> None:
        """Queues an update, unless a fault has something against it."""
        self._put(on, update.SerializeToString())

    def _put(self, on: str, update: bytes) -> None:
        now = pb.SubscribeUpdate()
        now.created_at.GetCurrentTime()
        data = update + now.SerializeToString()
        fault = self._node.faults.take(on)
        kind = fault.kind if fault else None
        if kind is Kind.DROP:
            return
        if kind is Kind.REORDER and self._held is None:
            self._held = data
            return
        if self._queue.qsize() >= _MAX_QUEUE:
            self._overflow()
            return
        if fault is not None and kind in (*FAILURES, Kind.HALF_OPEN, Kind.STALL):
            self._queue.put_nowait(fault)
        for each in (data, data if kind is Kind.DUPLICATE else None, self._held):
            if each is not None:
                self._queue.put_nowait(each)
        self._held = None

    def _overflow(self) -> None:
        """A client that is too slow loses what waits and is told so, as by a real server."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._node.hub.connections.discard(self)
        self.fail(grpc.StatusCode.INTERNAL, "lagged to receive geyser messages")

    async def ping(self, every_seconds: float) -> None:
        while True:
            await asyncio.sleep(every_seconds)
            self.put("ping", pb.SubscribeUpdate(ping=pb.SubscribeUpdatePing()))

    async def send(self) -> None:
        """Until the client leaves or a fault ends it."""
        while True:
            item = await self._queue.get()
            if isinstance(item, bytes):
                await self._context.write(item)
            elif isinstance(item, tuple):
                await self._context.abort(*item)
            elif item.kind is Kind.CUT:
                return
            elif item.kind in FAILURES:
                await self._context.abort(*FAILURES[item.kind])
            elif item.kind is Kind.STALL:
                await asyncio.sleep(item.seconds)
            else:
                await asyncio.Event().wait()

    def _transactions(self, block: Block) -> None:
        filters = self.request.transactions
        if not filters:
            return
        for index, landed in enumerate(block.transactions):
            names = [name for name, wanted in filters.items() if _matches(wanted, landed)]
            if names:
                self._put("transaction", transaction_update(names, self._info(landed), index, block.slot))

    def _block_meta(self, block: Block) -> None:
        if self.request.blocks_meta:
            update = pb.SubscribeUpdateBlockMeta(
                slot=block.slot,
                blockhash=block.hash,
                block_time=pb.UnixTimestamp(timestamp=block.time),
                block_height=pb.BlockHeight(block_height=block.height),
                parent_slot=block.parent_slot,
                parent_blockhash=block.previous_hash,
                executed_transaction_count=len(block.transactions),
                entries_count=64,
            )
            self.put("block_meta", pb.SubscribeUpdate(filters=list(self.request.blocks_meta), block_meta=update))


def _matches(wanted: pb.SubscribeRequestFilterTransactions, landed: Landed) -> bool:
    """All that a filter names must hold, as Yellowstone's README says."""
    if wanted.HasField("vote") and wanted.vote != is_vote(landed):
        return False
    if wanted.HasField("failed") and wanted.failed != (landed.error is not None):
        return False
    if wanted.HasField("signature") and wanted.signature != landed.signature:
        return False
    if wanted.account_include and landed.mentions.isdisjoint(wanted.account_include):
        return False
    return landed.mentions.isdisjoint(wanted.account_exclude) and _has_all(landed, wanted.account_required)


def _has_all(landed: Landed, required: Iterable[str]) -> bool:
    return landed.mentions.issuperset(required)
