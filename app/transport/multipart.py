"""Apollo's multipart protocol for subscriptions over HTTP, subscriptionSpec 1.0.

Clients take a part when the boundary after it has come, so each part is written with the boundary that ends it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from app.errors import Unavailable
from app.execution.errors import format_exception

_BOUNDARY: Final = b"\r\n--graphql"
_OF_THE_STREAM: Final = frozenset(("LAGGED", "SERVICE_UNAVAILABLE", "INTERNAL_SERVER_ERROR"))
"""Codes that concern the stream, and not what was asked for: Apollo's clients may be told to try again after them."""


class Multipart:
    """Each part is `{"payload": response}`, an error that ends the stream, or the heartbeat `{}`."""

    content_type = "multipart/mixed;boundary=graphql;subscriptionSpec=1.0"
    heartbeat_seconds = 5.0

    def __init__(self) -> None:
        self.heartbeat = _part(b"{}")
        self.opening = _BOUNDARY + self.heartbeat

    def begin(self, cursor: str) -> bytes:
        return b""

    def part(self, body: bytes, cursor: str | None) -> bytes:
        """The cursor is in the response already, where the field has one."""
        return _part(b'{"payload":%b}' % body)

    def end(self, errors: Sequence[Mapping[str, Any]] | None) -> bytes:
        if errors is None:
            return b"--\r\n"
        if errors[0]["extensions"]["code"] in _OF_THE_STREAM:
            message: dict[str, object] = {"payload": None, "errors": errors}
        else:
            message = {"payload": {"errors": errors}}
        return _part(msgspec.json.encode(message)) + b"--\r\n"

    def restart(self) -> bytes:
        return self.end([format_exception(Unavailable("The server restarts. Subscribe again after the last cursor."))])


def _part(message: bytes) -> bytes:
    return b"\r\ncontent-type: application/json\r\n\r\n%b%b" % (message, _BOUNDARY)
