"""Whoever talks over a wire: what the wire tells, and nothing of how bytes come and go."""

from abc import ABC, abstractmethod


class Listener(ABC):
    """Whoever talks over a wire. All calls are made in the loop and must not wait."""

    __slots__ = ()

    @abstractmethod
    def on_text(self, text: str) -> None: ...

    @abstractmethod
    def on_binary(self, data: bytes) -> None: ...

    @abstractmethod
    def on_room(self) -> None:
        """The wire was full, and is not any more."""

    @abstractmethod
    def on_stuck(self) -> bool:
        """The wire has been full for 20 seconds. Whether it may stay open all the same."""

    @abstractmethod
    def on_late(self) -> None:
        """The time that was given to `Wire.expect` is over."""

    @abstractmethod
    def on_restart(self) -> None:
        """The server is about to stop: close as soon as what is under way has ended."""

    @abstractmethod
    def on_end(self) -> None:
        """The last call: nothing can be sent any more, whoever ended it."""
