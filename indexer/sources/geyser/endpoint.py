"""One Yellowstone endpoint: a stream that is opened again and again, and what it said, put into a queue for all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

import grpc
import grpc.aio

from app.bus.backoff import Backoff
from app.cancellation import heed
from app.domain.programs import Commitment
from app.errors import StartupError
from indexer.decoders import MENTIONED
from indexer.sources.geyser import geyser_pb2 as pb

SILENT_SECONDS: Final = 15.0
"""Slots come several times a second: a stream that says nothing for so long is dead, whatever TCP thinks."""
_OPEN_SECONDS: Final = 10.0
_REFUSED_SECONDS: Final = 30.0
"""A token that was refused will be refused again: no need to knock often."""
_MESSAGE_BYTES: Final = 64 * 1024 * 1024
_OPTIONS: Final = (
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
)
_REFUSALS: Final = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
_TOO_OLD: Final = (grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.OUT_OF_RANGE)
"""How endpoints refuse to replay from where they were asked to: the next try begins with the present."""
_SUBSCRIBE: Final = "/geyser.Geyser/Subscribe"
_REPLAY_INFO: Final = "/geyser.Geyser/SubscribeReplayInfo"
_LEVELS: Final = {
    Commitment.PROCESSED: pb.PROCESSED,
    Commitment.CONFIRMED: pb.CONFIRMED,
    Commitment.FINALIZED: pb.FINALIZED,
}


class Endpoint:
    """An endpoint by its address, `http://host:port` or `https://…` (TLS). StartupError when that is none."""

    def __init__(self, url: str, token: str, commitment: Commitment, *, silent_seconds: float = SILENT_SECONDS) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise StartupError("CURVECAST_GEYSER_URLS holds what is no address: give http://host:port or https://host.")
        self.name = parts.netloc.rpartition("@")[2]
        """Host and port: all of the address that is no secret."""
        self.why: str | None = "not opened yet"
        """What is wrong with it, for people; None while it delivers."""
        self._is_secure = parts.scheme == "https"
        self._target = f"{parts.hostname}:{parts.port or (443 if self._is_secure else 80)}"
        self._metadata = (("x-token", token),) if token else ()
        self._commitment = commitment
        self._silent_seconds = silent_seconds
        self._backoff = Backoff()
        self._may_replay = True

    async def run(self, queue: "asyncio.Queue[pb.SubscribeUpdate]", resume: "Resume") -> None:
        """Puts what the stream says into `queue` until cancelled; a stream that ends is opened again."""
        while True:
            wait = None
            try:
                await self._stream(queue, resume)
                self.why = "the stream ended"
            except grpc.aio.AioRpcError as error:
                heed()
                self.why = _words(error)
                self._may_replay = error.code() not in _TOO_OLD
                if error.code() in _REFUSALS:
                    wait = _REFUSED_SECONDS
            except TimeoutError:
                self.why = f"silent for {self._silent_seconds:g} s"
            except asyncio.CancelledError:
                heed()
                self.why = "the call was given up"
            await asyncio.sleep(self._backoff.next_seconds() if wait is None else wait)

    def _channel(self) -> grpc.aio.Channel:
        if self._is_secure:
            return grpc.aio.secure_channel(self._target, grpc.ssl_channel_credentials(), options=_OPTIONS)
        return grpc.aio.insecure_channel(self._target, options=_OPTIONS)

    async def _stream(self, queue: "asyncio.Queue[pb.SubscribeUpdate]", resume: "Resume") -> None:
        async with self._channel() as channel:
            turn = resume.round
            since = await self._since(channel, resume.slot)
            subscribe: Any = channel.stream_stream(
                _SUBSCRIBE, pb.SubscribeRequest.SerializeToString, pb.SubscribeUpdate.FromString
            )
            call = subscribe(metadata=self._metadata, compression=grpc.Compression.Gzip)
            await call.write(self._request(since))
            pings = asyncio.create_task(_answer_pings(call, pinged := asyncio.Event()))
            try:
                async for update in self._messages(call):
                    self.why, self._may_replay = None, True
                    self._backoff.reset()
                    if resume.round != turn:
                        return
                    if update.HasField("ping"):
                        pinged.set()
                    else:
                        await queue.put(update)
            finally:
                pings.cancel()
                await asyncio.gather(pings, return_exceptions=True)
                call.cancel()

    async def _messages(self, call: Any) -> AsyncIterator[pb.SubscribeUpdate]:
        while True:
            async with asyncio.timeout(self._silent_seconds):
                update = await call.read()
            if update is grpc.aio.EOF:
                return
            yield update

    async def _since(self, channel: grpc.aio.Channel, wanted: int | None) -> int | None:
        """From where it can be resumed: what was wanted, or the oldest that is left. None for the present; an endpoint
        that does not say is asked for what is wanted."""
        if wanted is None or not self._may_replay:
            return None
        ask: Any = channel.unary_unary(
            _REPLAY_INFO,
            pb.SubscribeReplayInfoRequest.SerializeToString,
            pb.SubscribeReplayInfoResponse.FromString,
        )
        try:
            answer = await ask(pb.SubscribeReplayInfoRequest(), metadata=self._metadata, timeout=_OPEN_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                return wanted
            raise
        return max(wanted, answer.first_available) if answer.HasField("first_available") else None

    def _request(self, since: int | None) -> pb.SubscribeRequest:
        wanted = pb.SubscribeRequestFilterTransactions(vote=False, failed=False, account_include=MENTIONED)
        return pb.SubscribeRequest(
            slots={"slots": pb.SubscribeRequestFilterSlots(filter_by_commitment=False)},
            transactions={"ours": wanted},
            blocks_meta={"blocks": pb.SubscribeRequestFilterBlocksMeta()},
            commitment=_LEVELS[self._commitment],
            from_slot=since,
        )


class Resume:
    """Where a stream that is opened now has to begin; moved on by whoever takes the messages."""

    def __init__(self, slot: int | None) -> None:
        self.slot = slot
        self.round = 0

    def again(self) -> None:
        """Ends the open streams, so that all begin there."""
        self.round += 1


async def _answer_pings(call: Any, pinged: asyncio.Event) -> None:
    """Load balancers cut a stream on which the client never speaks."""
    with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        while True:
            await pinged.wait()
            pinged.clear()
            await call.write(pb.SubscribeRequest(ping=pb.SubscribeRequestPing(id=1)))


def _words(error: grpc.aio.AioRpcError) -> str:
    code = error.code()
    if code in _REFUSALS:
        return "refuses the token"
    if code is grpc.StatusCode.UNAVAILABLE:
        return "cannot be reached"
    return f"the stream failed: {code.name}"
