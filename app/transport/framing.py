"""How responses look inside an HTTP response that holds several of them."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Framing(Protocol):
    """One way to write them. First `opening` and perhaps `begin`, then any number of `part` and `heartbeat`, then `end`
    or `restart`."""

    content_type: str
    heartbeat_seconds: float
    opening: bytes
    heartbeat: bytes

    def begin(self, cursor: str) -> bytes:
        """Where to resume before there was a part; empty where the protocol has no place for it."""

    def part(self, body: bytes, cursor: str | None) -> bytes:
        """One response, and the resume point after it where there is one."""

    def end(self, errors: Sequence[Mapping[str, Any]] | None) -> bytes:
        """The operation is complete (None), or the server ended it."""

    def restart(self) -> bytes:
        """The server stops; the client may go on elsewhere, at once."""


def whole(framing: Framing, body: bytes) -> bytes:
    """A response that has only one."""
    return framing.opening + framing.part(body, None) + framing.end(None)
