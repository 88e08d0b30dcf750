"""The Yellowstone gRPC face of a node: Subscribe and the small calls, with the same faults.

gRPC's own server hides its sockets, so a cut is the end of the stream and a reset its failure as UNAVAILABLE: what a
client sees of them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, Final

import grpc
import grpc.aio

from app.domain.programs import Commitment
from indexer.sources.geyser import geyser_pb2 as pb
from node.blocks import Block, is_vote
from node.chain import Step
from node.faults import Fault, Kind
from node.landed import Landed
from node.protobuf import transaction_info
from node.rpc import VERSION
from node.serving import Node

_COMMITMENTS: Final = (Commitment.PROCESSED, Commitment.CONFIRMED, Commitment.FINALIZED)
_STEPS: Final = (Step.PROCESSED, Step.CONFIRMED, Step.FINALIZED)
_STATUSES: Final = (pb.SLOT_PROCESSED, pb.SLOT_CONFIRMED, pb.SLOT_FINALIZED)
_MAX_QUEUE: Final = 500_000
_OPTIONS: Final = (("grpc.max_receive_message_length", 64 << 20), ("grpc.so_reuseport", 0))
_FAILURES: Final = {
    Kind.RESET: (grpc.StatusCode.UNAVAILABLE, "connection reset"),
    Kind.CUT: (grpc.StatusCode.UNAVAILABLE, "connection closed"),
    Kind.STATUS: (grpc.StatusCode.UNAVAILABLE, "upstream is not well"),
    Kind.TOO_MANY: (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many subscriptions"),
    Kind.MALFORMED: (grpc.StatusCode.INTERNAL, "failed to decode Protobuf message"),
}
_Context = grpc.aio.ServicerContext[Any, Any]


class Geyser:
    """One gRPC server over a node's chain and faults. `ping_seconds`: how often it pings."""

    def __init__(self, node: Node, *, ping_seconds: float = 10.0) -> None:
        self.node = node
        self.port = 0
        self.ping_seconds = ping_seconds
        self.replay_slots: int | None = None
        """How far back `from_slot` reaches; None as far as the chain remembers."""
        self.subscriptions: list[pb.SubscribeRequest] = []
        """The first request of each stream, in order."""
        self.info = lru_cache(maxsize=20_000)(transaction_info)

    @property
    def url(self) -> str:
        """As CURVECAST_GEYSER_URLS writes it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def first_available(self) -> int:
        """The oldest slot that `from_slot` may name."""
        chain = self.node.chain
        return chain.first_slot if self.replay_slots is None else max(chain.first_slot, chain.slot - self.replay_slots)

    def handlers(self) -> grpc.GenericRpcHandler:
        """The methods, by name; requests are read here, answers are bytes."""
        unary: dict[str, tuple[Any, Callable[[Any], Any]]] = {
            "GetVersion": (pb.GetVersionRequest, lambda _: pb.GetVersionResponse(version=f'{{"version":"{VERSION}"}}')),
            "Ping": (pb.PingRequest, lambda request: pb.PongResponse(count=request.count)),
            "GetSlot": (pb.GetSlotRequest, lambda request: pb.GetSlotResponse(slot=self._tip(request))),
            "GetLatestBlockhash": (pb.GetLatestBlockhashRequest, self._latest_blockhash),
            "SubscribeReplayInfo": (
                pb.SubscribeReplayInfoRequest,
                lambda _: pb.SubscribeReplayInfoResponse(first_available=self.first_available),
            ),
        }
        methods: dict[str, Any] = {
            name: grpc.unary_unary_rpc_method_handler(
                self._unary(name, answer), request.FromString, lambda response: response.SerializeToString()
            )
            for name, (request, answer) in unary.items()
        }
        methods["Subscribe"] = grpc.stream_stream_rpc_method_handler(
            self._subscribe, pb.SubscribeRequest.FromString, lambda data: data
        )
        return grpc.method_handlers_generic_handler("geyser.Geyser", methods)

    def _unary(self, name: str, answer: Callable[[Any], Any]) -> Any:
        async def handle(request: Any, context: _Context) -> Any:
            await self._admit(name, context)
            return answer(request)

        return handle

    async def _admit(self, name: str, context: _Context) -> None:
        """Refuses by token or by fault."""
        token = self.node.faults.token
        if token is not None and ("x-token", token) not in (context.invocation_metadata() or ()):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "No valid auth token")
        self.node.requests.append(name)
        fault = self.node.faults.take(name)
        if fault is None:
            return
        if fault.kind in _FAILURES:
            await context.abort(*_FAILURES[fault.kind])
        if fault.kind is Kind.STALL:
            await asyncio.sleep(fault.seconds)
        if fault.kind is Kind.HALF_OPEN:
            await asyncio.Event().wait()

    def _tip(self, request: Any) -> int:
        return self.node.chain.tip(_COMMITMENTS[request.commitment], behind=self.node.faults.lag)

    def _latest_blockhash(self, request: pb.GetLatestBlockhashRequest) -> pb.GetLatestBlockhashResponse:
        block = self.node.chain.block(self._tip(request))
        if block is None:
            return pb.GetLatestBlockhashResponse()
        last = block.height + 150
        return pb.GetLatestBlockhashResponse(slot=block.slot, blockhash=block.hash, last_valid_block_height=last)

    async def _subscribe(self, requests: AsyncIterator[pb.SubscribeRequest], context: _Context) -> None:
        await self._admit("Subscribe", context)
        stream = Stream(self, context)
        reading = asyncio.create_task(self._read(requests, stream))
        pinging = asyncio.create_task(stream.ping(self.ping_seconds))
        try:
            await stream.send()
        finally:
            self.node.hub.connections.discard(stream)
            reading.cancel()
            pinging.cancel()

    async def _read(self, requests: AsyncIterator[pb.SubscribeRequest], stream: "Stream") -> None:
        async for request in requests:
            if request.HasField("ping"):
                stream.put("pong", pb.SubscribeUpdate(pong=pb.SubscribeUpdatePong(id=request.ping.id)))
            if request.slots or request.transactions or request.blocks_meta:
                self.subscriptions.append(request)
                self._start(stream, request)

    def _start(self, stream: "Stream", request: pb.SubscribeRequest) -> None:
        """Replays from `from_slot`, then goes on live: no step of the chain falls between."""
        stream.request = request
        if request.HasField("from_slot"):
            if request.from_slot < self.first_available:
                stream.fail(
                    grpc.StatusCode.INTERNAL,
                    f"broadcast from {request.from_slot} is not available, last available: {self.first_available}",
                )
                return
            chain, behind = self.node.chain, self.node.faults.lag
            for block in chain.blocks(request.from_slot, chain.tip(Commitment.PROCESSED, behind=behind)):
                for step, commitment in zip(_STEPS, _COMMITMENTS, strict=True):
                    if block.slot <= chain.tip(commitment, behind=behind):
                        stream.hear(step, block)
        self.node.hub.connections.add(stream)


class Stream:
    """One Subscribe call."""

    def __init__(self, geyser: Geyser, context: _Context) -> None:
        self.request = pb.SubscribeRequest()
        self._geyser, self._context = geyser, context
        self._queue: asyncio.Queue[bytes | Fault | tuple[grpc.StatusCode, str]] = asyncio.Queue()
        self._held: bytes | None = None

    def hear(self, step: Step, block: Block) -> None:
        """What the filters have to say of a step."""
        if step is Step.RETRACTED:
            return  # as on mainnet: a client finds out by the parents of the blocks that take its place
        level = _STEPS.index(step)
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
        update.created_at.GetCurrentTime()
        data = update.SerializeToString()
        fault = self._geyser.node.faults.take(on)
        kind = fault.kind if fault else None
        if kind is Kind.DROP:
            return
        if kind is Kind.REORDER and self._held is None:
            self._held = data
            return
        if self._queue.qsize() >= _MAX_QUEUE:
            self._overflow()
            return
        if fault is not None and kind in (*_FAILURES, Kind.HALF_OPEN, Kind.STALL):
            self._queue.put_nowait(fault)
        for each in (data, data if kind is Kind.DUPLICATE else None, self._held):
            if each is not None:
                self._queue.put_nowait(each)
        self._held = None

    def _overflow(self) -> None:
        """A client that is too slow loses what waits and is told so, as by a real server."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._geyser.node.hub.connections.discard(self)
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
            elif item.kind in _FAILURES:
                await self._context.abort(*_FAILURES[item.kind])
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
                update = pb.SubscribeUpdateTransaction(transaction=self._geyser.info(landed, index), slot=block.slot)
                self.put("transaction", pb.SubscribeUpdate(filters=names, transaction=update))

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


@asynccontextmanager
async def serve_geyser(
    node: Node, *, port: int = 0, host: str = "127.0.0.1", ping_seconds: float = 10.0
) -> AsyncIterator[Geyser]:
    """A gRPC face of `node` while the block runs, on a free port unless given."""
    geyser = Geyser(node, ping_seconds=ping_seconds)
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((geyser.handlers(),))
    geyser.port = server.add_insecure_port(f"{host}:{port}")
    await server.start()
    try:
        yield geyser
    finally:
        await server.stop(0)
