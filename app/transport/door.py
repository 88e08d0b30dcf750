"""How many connections of this process stay open, whatever their road, and whether there is a place for another."""

from collections.abc import Sized


class Door:
    """`most` connections, WebSockets and streams together."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._rooms: list[Sized] = []

    def watch(self, room: Sized) -> None:
        """What is in `room` counts from now on."""
        self._rooms.append(room)

    @property
    def is_full(self) -> bool:
        return sum(map(len, self._rooms)) >= self.most
