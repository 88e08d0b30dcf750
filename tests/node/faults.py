"""What goes wrong with a node, when, and how often: scripted by a test, changeable while it runs."""

import asyncio
import os
import socket
import struct
from dataclasses import dataclass
from enum import Enum, auto
from random import Random
from typing import Final, cast

_NO_LINGER: Final = struct.pack("ii", 1, 0)


class Kind(Enum):
    """What may go wrong. The first four concern the connection, HTTP or WebSocket."""

    CUT = auto()
    """Closed without an answer (FIN)."""
    RESET = auto()
    """The same with RST."""
    HALF_OPEN = auto()
    """Not a byte more, and no close."""
    STALL = auto()
    """Goes on after `seconds`."""
    TOO_MANY = auto()
    """HTTP: 429 with `Retry-After: seconds` (a fraction is told as it is)."""
    STATUS = auto()
    """HTTP: `status`, with a page of text."""
    MALFORMED = auto()
    """JSON that ends in the middle."""
    DROP = auto()
    """WebSocket: this notification never comes."""
    DUPLICATE = auto()
    """WebSocket: this notification comes twice."""
    REORDER = auto()
    """WebSocket: this notification comes after the next one."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """One rule. `on`: an RPC method (`getBlock`), a notification (`logsNotification`), a gRPC method (`Subscribe`) or
    its messages (`transaction`, `slot`, `block_meta`), `connect` for new sockets, `*` for everything."""

    kind: Kind
    on: str = "*"
    times: int | None = None
    """How often it happens; None is for ever."""
    share: float = 1.0
    """Of the occasions."""
    seconds: float = 1.0
    status: int = 503


class Faults:
    """The rules of one node. Several nodes over one chain have faults of their own."""

    def __init__(self, seed: int = 1) -> None:
        self._rng = Random(seed)
        self._rules: list[Fault] = []
        self.lag = 0
        """How many blocks the node is behind its chain."""
        self.genesis_hash: str | None = None
        """Another cluster's, where the node shall belong to one."""
        self.token: str | None = None
        """What clients must send (`Authorization: Bearer`, gRPC `x-token`); None asks for nothing."""

    def add(
        self,
        kind: Kind,
        on: str = "*",
        *,
        times: int | None = None,
        share: float = 1.0,
        seconds: float = 1.0,
        status: int = 503,
    ) -> Fault:
        """A new rule, in force at once; `remove` takes it back."""
        fault = Fault(kind=kind, on=on, times=times, share=share, seconds=seconds, status=status)
        self._rules.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Ends one rule, if it has not ended by itself."""
        if fault in self._rules:
            self._rules.remove(fault)

    def clear(self) -> None:
        """All is well again; sockets that are half-open stay so."""
        self._rules.clear()
        self.lag, self.genesis_hash, self.token = 0, None, None

    def take(self, on: str) -> Fault | None:
        """What goes wrong now with `on`, if anything."""
        for fault in self._rules:
            if fault.on in (on, "*") and (fault.share >= 1 or self._rng.random() < fault.share):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._rules.remove(fault)
                return fault
        return None


def cut(transport: asyncio.BaseTransport | None) -> None:
    """Closes a connection with FIN, at once."""
    if transport is not None:
        cast(asyncio.Transport, transport).abort()  # uvloop's transports are none by inheritance


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Closes a connection with RST."""
    if transport is not None and not transport.is_closing():
        # The loop's own socket object may refuse options; a duplicate of the descriptor is the same connection.
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as duplicate:
            duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        cast(asyncio.Transport, transport).abort()
