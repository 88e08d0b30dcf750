"""The WebSocket face of a node: slot, root, logs and block subscriptions, each at its commitment."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, Final, Protocol

import msgspec
from starlette.websockets import WebSocket, WebSocketDisconnect

from app.domain.programs import Commitment
from node.blocks import Block, is_vote
from node.chain import Chain, Step
from node.faults import Fault, Faults, Kind, cut, reset
from node.landed import Landed
from node.params import Params, RpcError, check_version, read_commitment, read_config
from node.rpc import Rpc

_MAX_QUEUE: Final = 200_000
"""A client that reads nothing is cut off, as by a real node."""
_STEPS: Final = {
    Commitment.PROCESSED: Step.PROCESSED,
    Commitment.CONFIRMED: Step.CONFIRMED,
    Commitment.FINALIZED: Step.FINALIZED,
}
_IDS: Final = count(1)
Notify = Callable[[Step, Block], Iterator[tuple[str, Any]]]
"""What a subscription says of a step: (method, result)."""


class Hearer(Protocol):
    """One client's connection."""

    def hear(self, step: Step, block: Block) -> None:
        """A step of the chain, which this node has come to see."""

    def act(self, fault: Fault | Kind) -> None:
        """Cuts, resets or freezes this connection now."""


class Hub:
    """Hands the chain's steps to the node's connections, as late as the node is behind."""

    def __init__(self, chain: Chain, faults: Faults) -> None:
        self.chain = chain
        self.faults = faults
        self.connections: set[Hearer] = set()
        self._waiting: deque[tuple[Step, Block]] = deque()
        self.close = chain.listen(self._hear)

    def _hear(self, step: Step, block: Block) -> None:
        self._waiting.append((step, block))
        behind = sum(each is Step.PROCESSED for each, _ in self._waiting)
        while self._waiting and (behind > self.faults.lag or not self.faults.lag):
            due = self._waiting.popleft()
            behind -= due[0] is Step.PROCESSED
            for each in tuple(self.connections):
                each.hear(*due)


class Socket:
    """One client. `transport` is what faults act on."""

    def __init__(self, hub: Hub, rpc: Rpc, socket: WebSocket, transport: asyncio.Transport | None) -> None:
        self._hub, self._rpc, self._socket, self.transport = hub, rpc, socket, transport
        self._subscriptions: dict[int, Notify] = {}
        self._queue: asyncio.Queue[bytes | Fault] = asyncio.Queue(_MAX_QUEUE)
        self._held: bytes | None = None
        self.is_frozen = False
        self._openers: dict[str, Callable[[Params], Notify]] = {
            "slotSubscribe": self._slots,
            "rootSubscribe": self._roots,
            "logsSubscribe": self._logs,
            "blockSubscribe": self._blocks,
        }

    async def serve(self) -> None:
        """Until the client or a fault ends it."""
        await self._socket.accept()
        self._hub.connections.add(self)
        sending = asyncio.create_task(self._send())
        try:
            while True:
                self._answer(await self._socket.receive_text())
        except (WebSocketDisconnect, RuntimeError):
            return
        finally:
            self._hub.connections.discard(self)
            sending.cancel()

    def hear(self, step: Step, block: Block) -> None:
        """What the subscriptions have to say of a step."""
        for number, notify in tuple(self._subscriptions.items()):
            for method, result in notify(step, block):
                params = {"result": result, "subscription": number}
                self._put(method, msgspec.json.encode({"jsonrpc": "2.0", "method": method, "params": params}))

    def act(self, fault: Fault | Kind) -> None:
        """Cuts, resets or freezes this connection now."""
        kind = fault.kind if isinstance(fault, Fault) else fault
        if kind is Kind.CUT:
            cut(self.transport)
        elif kind is Kind.RESET:
            reset(self.transport)
        elif kind is Kind.HALF_OPEN and self.transport is not None:
            self.is_frozen = True
            self.transport.pause_reading()

    def _put(self, on: str, message: bytes) -> None:
        fault = self._hub.faults.take(on)
        kind = fault.kind if fault else None
        if kind is Kind.DROP:
            return
        if kind is Kind.MALFORMED:
            message = message[: len(message) // 2]
        if kind is Kind.REORDER and self._held is None:
            self._held = message
            return
        if self._queue.qsize() >= _MAX_QUEUE - 3:
            cut(self.transport)
            return
        if fault is not None and kind in (Kind.CUT, Kind.RESET, Kind.HALF_OPEN, Kind.STALL):
            self._queue.put_nowait(fault)
        self._queue.put_nowait(message)
        if kind is Kind.DUPLICATE:
            self._queue.put_nowait(message)
        if self._held is not None:
            self._queue.put_nowait(self._held)
            self._held = None

    async def _send(self) -> None:
        while True:
            item = await self._queue.get()
            if isinstance(item, Fault) and item.kind is Kind.STALL:
                await asyncio.sleep(item.seconds)
            elif isinstance(item, Fault):
                self.act(item)
            elif not self.is_frozen:
                try:
                    await self._socket.send_text(item.decode(errors="replace"))
                except (WebSocketDisconnect, RuntimeError):
                    return

    # ------------------------------------------------------------ requests

    def _answer(self, text: str) -> None:
        try:
            request = msgspec.json.decode(text)
        except ValueError:
            request = None
        method = request.get("method") if isinstance(request, dict) else None
        if method in self._openers or (isinstance(method, str) and method.endswith("Unsubscribe")):
            self._put(method, self._subscribe(request, method))
        else:
            self._put(str(method), self._rpc.answer(request))

    def _subscribe(self, request: dict[str, Any], method: str) -> bytes:
        params = request.get("params") or []
        head = {"jsonrpc": "2.0", "id": request.get("id")}
        try:
            if method in self._openers:
                notify = self._openers[method](params)
                number = next(_IDS)
                self._subscriptions[number] = notify
                return msgspec.json.encode({**head, "result": number})
            if not params or self._subscriptions.pop(params[0], None) is None:
                raise RpcError(-32602, "Invalid subscription id.")
        except RpcError as error:
            return msgspec.json.encode({**head, "error": error.form()})
        return msgspec.json.encode({**head, "result": True})

    def _slots(self, _: Params) -> Notify:
        def notify(step: Step, block: Block) -> Iterator[tuple[str, Any]]:
            if step is Step.PROCESSED:
                root = self._hub.chain.tip(Commitment.FINALIZED, behind=self._hub.faults.lag)
                yield "slotNotification", {"parent": block.parent_slot, "root": root, "slot": block.slot}

        return notify

    def _roots(self, _: Params) -> Notify:
        def notify(step: Step, block: Block) -> Iterator[tuple[str, Any]]:
            if step is Step.FINALIZED:
                yield "rootNotification", block.slot

        return notify

    def _logs(self, params: Params) -> Notify:
        wanted = _log_filter(params)
        due = _STEPS[read_commitment(read_config(params, 1).commitment)]

        def notify(step: Step, block: Block) -> Iterator[tuple[str, Any]]:
            if step is not due:
                return
            for landed in block.transactions:
                if landed.logs is not None and wanted(landed):
                    yield "logsNotification", _in_context(block, _log_form(landed))

        return notify

    def _blocks(self, params: Params) -> Notify:
        wanted = _block_filter(params)
        config = read_config(params, 1)
        due = _STEPS[read_commitment(config.commitment, lowest=Commitment.CONFIRMED)]
        encoding = "base64" if config.encoding == "base64" else "json"

        def notify(step: Step, block: Block) -> Iterator[tuple[str, Any]]:
            if step is not due:
                return
            form: dict[str, Any] = {"slot": block.slot, "err": None, "block": None}
            try:
                check_version(block, config.max_supported_transaction_version)
                form["block"] = msgspec.Raw(wanted(block).json(config.transaction_details, encoding))
            except RpcError:
                form["err"] = {"UnsupportedTransactionVersion": block.newest_version}
            yield "blockNotification", _in_context(block, form)

        return notify


def _log_filter(params: Params) -> Callable[[Landed], bool]:
    match params[0] if params else None:
        case "all":
            return lambda landed: not is_vote(landed)
        case "allWithVotes":
            return lambda landed: True
        case {"mentions": [str(address)]}:
            return lambda landed: address in landed.mentions
    raise RpcError(-32602, "Invalid Request: Only 1 address supported")


def _block_filter(params: Params) -> Callable[[Block], Block]:
    match params[0] if params else None:
        case "all":
            return lambda block: block
        case {"mentionsAccountOrProgram": str(address)}:
            return lambda block: block.only(lambda landed: address in landed.mentions)
    raise RpcError(-32602, "Invalid params: expected `all` or `mentionsAccountOrProgram`.")


def _log_form(landed: Landed) -> dict[str, Any]:
    err = None if landed.error is None else msgspec.Raw(landed.error)
    return {"signature": landed.signature, "err": err, "logs": landed.logs}


def _in_context(block: Block, value: Any) -> dict[str, Any]:
    return {"context": {"slot": block.slot}, "value": value}
