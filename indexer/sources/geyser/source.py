"""The source `geyser`: Yellowstone gRPC from several endpoints at once. Whoever is first wins, the others only fill."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from app.domain.health import DOWN, OK
from app.domain.programs import Commitment
from app.domain.slots import Gap
from app.errors import StartupError
from indexer.sources import Delivery, Unreadable
from indexer.sources.geyser import geyser_pb2 as pb
from indexer.sources.geyser.endpoint import SILENT_SECONDS, Endpoint, Resume
from indexer.sources.geyser.reading import read_transaction
from indexer.sources.geyser.slots import Slots
from indexer.transaction import Transaction

_QUEUE: Final = 10_000
"""Messages that may wait; then the streams wait too."""


class _State(msgspec.Struct, frozen=True):
    final: int


class GeyserSource:
    """Follows the endpoints at a commitment. StartupError for no or wrong addresses.

    Its state is the newest final slot: a restart asks the endpoints to replay from there. What none can replay is told
    as missing. That an endpoint sent all transactions of a block it cannot prove: run `rpc` beside it, or `verify`.
    """

    name = "geyser"
    is_simulated = False

    def __init__(
        self, urls: str, token: str, commitment: str = "confirmed", *, silent_seconds: float = SILENT_SECONDS
    ) -> None:
        if commitment.upper() not in Commitment.__members__:
            raise StartupError(f"CURVECAST_RPC_COMMITMENT is {commitment!r}: processed, confirmed or finalized.")
        self._commitment = Commitment[commitment.upper()]
        self._endpoints = [
            Endpoint(url.strip(), token, self._commitment, silent_seconds=silent_seconds)
            for url in urls.split(",")
            if url.strip()
        ]
        if not self._endpoints:
            raise StartupError(
                "CURVECAST_GEYSER_URLS is not set: give the address of a Yellowstone gRPC endpoint, as"
                " https://host:443; several separated by commas. CURVECAST_GEYSER_TOKEN is the token they want."
            )

    def components(self) -> list[tuple[str, str, str]]:
        """(name, OK or DOWN, detail) of each endpoint."""
        return [(f"geyser {each.name}", DOWN if each.why else OK, each.why or "delivers") for each in self._endpoints]

    async def stream(self, state: bytes | None) -> AsyncIterator[Delivery]:
        """A delivery for each block when its meta has come, and for what changes later, without an end."""
        final = msgspec.msgpack.decode(state, type=_State).final if state else None
        slots = Slots(final)
        resume = Resume(slots.resumes_at)
        async with _running(self._endpoints, resume) as queue:
            reader = _Reader(slots, self._commitment)
            while True:
                delivery = reader.take(await queue.get())
                resume.slot = slots.resumes_at
                if reader.must_read_anew:
                    reader.must_read_anew = False
                    resume.again()
                if delivery is not None:
                    yield delivery


@asynccontextmanager
async def _running(endpoints: Sequence[Endpoint], resume: Resume) -> "AsyncIterator[asyncio.Queue[pb.SubscribeUpdate]]":
    queue: asyncio.Queue[pb.SubscribeUpdate] = asyncio.Queue(_QUEUE)
    tasks = [asyncio.create_task(each.run(queue, resume)) for each in endpoints]
    try:
        yield queue
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Reader:
    """Messages to deliveries."""

    def __init__(self, slots: Slots, commitment: Commitment) -> None:
        self._slots = slots
        self._commitment = commitment
        self.must_read_anew = False
        """Set when a block was replaced: what the streams sent of it is of two kinds."""

    def take(self, update: pb.SubscribeUpdate) -> Delivery | None:
        match update.WhichOneof("update_oneof"):
            case "transaction":
                return self._transaction(update.transaction)
            case "block_meta":
                return self._block(update.block_meta)
            case "slot":
                return self._slot(update.slot)
        return None

    def _transaction(self, update: pb.SubscribeUpdateTransaction) -> Delivery | None:
        if not self._slots.take_transaction(update.slot, update.transaction):
            return None
        time = self._slots.time_of(update.slot)
        return self._delivery([(update.slot, time, update.transaction)])

    def _block(self, meta: pb.SubscribeUpdateBlockMeta) -> Delivery:
        if replaced := self._slots.replaced(meta.slot, meta.blockhash):
            self.must_read_anew = True
            return self._delivery([], retracted=tuple(replaced))
        time = meta.block_time.timestamp if meta.HasField("block_time") else None
        infos = self._slots.take_block(meta.slot, meta.blockhash, meta.parent_slot, time)
        return self._delivery([(meta.slot, time, info) for info in infos])

    def _slot(self, update: pb.SubscribeUpdateSlot) -> Delivery | None:
        settled = self._slots.settle(update.slot) if update.status == pb.SLOT_FINALIZED else None
        if settled is None:
            return None
        moved = [(slot, settled.times[slot], info) for slot, info in settled.moved]
        return self._delivery(moved, retracted=tuple(settled.left), missing=tuple(settled.missing))

    def _delivery(
        self,
        infos: Sequence[tuple[int, int | None, pb.SubscribeUpdateTransactionInfo]],
        *,
        retracted: tuple[int, ...] = (),
        missing: tuple[Gap, ...] = (),
    ) -> Delivery:
        transactions, unreadable = list[Transaction](), list[Unreadable]()
        for slot, time, info in infos:
            try:
                transactions.append(read_transaction(info, slot, time, self._commitment))
            except ValueError as error:
                unreadable.append(Unreadable(f"transaction {info.index} of block {slot}", str(error)))
        return Delivery(
            retracted=retracted,
            transactions=tuple(transactions),
            missing=missing,
            unreadable=tuple(unreadable),
            finalized_slot=self._slots.final,
            tip_slot=self._slots.tip,
            state=self._state(),
        )

    def _state(self) -> bytes:
        return b"" if self._slots.final is None else msgspec.msgpack.encode(_State(self._slots.final))
