"""One timer for all sockets of a process: pings in turn, and whatever has to happen by a certain time."""

import asyncio
from typing import Final, Protocol

_TICK_SECONDS: Final = 0.25


class Watched(Protocol):
    """What is watched: a socket."""

    def keep_alive(self) -> None:
        """Called every `interval` seconds."""

    def is_late(self) -> None:
        """What was expected has not come in time."""


class Watch:
    """Calls each socket every `interval` seconds, spread over that time, and once when its deadline passes.

    A timer of its own for each of 20,000 idle sockets would cost more than everything else about them.
    """

    def __init__(self, interval: float) -> None:
        self._rounds: list[set[Watched]] = [set() for _ in range(max(1, round(interval / _TICK_SECONDS)))]
        self._deadlines: dict[Watched, float] = {}
        self._ticks = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, socket: Watched) -> int:
        """Begins; gives the round that `remove` needs. The first call comes after one whole interval."""
        self._rounds[self._ticks].add(socket)
        self._run()
        return self._ticks

    def remove(self, socket: Watched, turn: int) -> None:
        self._rounds[turn].discard(socket)
        self._deadlines.pop(socket, None)

    def expect(self, socket: Watched, seconds: float) -> None:
        """`is_late` is called once, after that time and a quarter of a second at most; replaces what was expected."""
        self._deadlines[socket] = asyncio.get_running_loop().time() + seconds

    def came(self, socket: Watched) -> None:
        """What was expected has come."""
        self._deadlines.pop(socket, None)

    def _run(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._ticks = (self._ticks + 1) % len(self._rounds)
        now = asyncio.get_running_loop().time()
        for socket in [each for each, deadline in self._deadlines.items() if deadline <= now]:
            del self._deadlines[socket]
            socket.is_late()
        for socket in tuple(self._rounds[self._ticks]):
            socket.keep_alive()
        if any(self._rounds):
            self._run()
