"""The Yellowstone gRPC face of a node: Subscribe and the small calls, with the same faults.

gRPC's own server hides its sockets, so a cut is the end of the stream and a reset its failure as UNAVAILABLE: what a
client sees of them.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, Final

import grpc
import grpc.aio

from app.domain.programs import Commitment
from indexer.sources.geyser import geyser_pb2 as pb
from node.faults import Kind
from node.protobuf import written_info
from node.rpc import VERSION
from node.serving import Node
from node.streams import FAILURES, STEPS, Context, Info, Stream

_COMMITMENTS: Final = (Commitment.PROCESSED, Commitment.CONFIRMED, Commitment.FINALIZED)
REMEMBERED: Final = 4_000
"""Transactions that are written once for all subscribers."""
_OPTIONS: Final = (("grpc.max_receive_message_length", 64 << 20), ("grpc.so_reuseport", 0))


class Geyser:
    """One gRPC server over a node's chain and faults. `ping_seconds`: how often it pings."""

    def __init__(self, node: Node, *, ping_seconds: float = 10.0, written: Info | None = None) -> None:
        self.node = node
        self.port = 0
        self.ping_seconds = ping_seconds
        self.replay_slots: int | None = None
        """How far back `from_slot` reaches; None as far as the chain remembers."""
        self.subscriptions: list[pb.SubscribeRequest] = []
        """The first request of each stream, in order."""
        self.info = written or written_once(REMEMBERED)

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
        async def handle(request: Any, context: Context) -> Any:
            await self._admit(name, context)
            return answer(request)

        return handle

    async def _admit(self, name: str, context: Context) -> None:
        """Refuses by token or by fault."""
        token = self.node.faults.token
        if token is not None and ("x-token", token) not in (context.invocation_metadata() or ()):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "No valid auth token")
        self.node.requests.append(name)
        fault = self.node.faults.take(name)
        if fault is None:
            return
        if fault.kind in FAILURES:
            await context.abort(*FAILURES[fault.kind])
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

    async def _subscribe(self, requests: AsyncIterator[pb.SubscribeRequest], context: Context) -> None:
        await self._admit("Subscribe", context)
        stream = Stream(self.node, context, self.info)
        reading = asyncio.create_task(self._read(requests, stream))
        pinging = asyncio.create_task(stream.ping(self.ping_seconds))
        try:
            await stream.send()
        finally:
            self.node.hub.connections.discard(stream)
            reading.cancel()
            pinging.cancel()

    async def _read(self, requests: AsyncIterator[pb.SubscribeRequest], stream: Stream) -> None:
        async for request in requests:
            if request.HasField("ping"):
                stream.put("pong", pb.SubscribeUpdate(pong=pb.SubscribeUpdatePong(id=request.ping.id)))
            if request.slots or request.transactions or request.blocks_meta:
                self.subscriptions.append(request)
                self._start(stream, request)

    def _start(self, stream: Stream, request: pb.SubscribeRequest) -> None:
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
                for step, commitment in zip(STEPS, _COMMITMENTS, strict=True):
                    if block.slot <= chain.tip(commitment, behind=behind):
                        stream.hear(step, block)
        self.node.hub.connections.add(stream)


def written_once(most: int) -> Info:
    """Writes each transaction once, and remembers so many of them."""
    return lru_cache(maxsize=most)(written_info)


@asynccontextmanager
async def serve_geyser(
    node: Node, *, port: int = 0, host: str = "127.0.0.1", ping_seconds: float = 10.0, written: Info | None = None
) -> AsyncIterator[Geyser]:
    """A gRPC face of `node` while the block runs, on a free port unless given; `written` may have written transactions
    beforehand."""
    geyser = Geyser(node, ping_seconds=ping_seconds, written=written)
    server = grpc.aio.server(options=_OPTIONS)
    server.add_generic_rpc_handlers((geyser.handlers(),))
    geyser.port = server.add_insecure_port(f"{host}:{port}")
    await server.start()
    try:
        yield geyser
    finally:
        await server.stop(0)
