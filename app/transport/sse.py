"""Server-sent events: the distinct connections mode of graphql-sse, by its PROTOCOL document.

An event's `id` is the cursor after it. A browser sends the last one by itself when it comes again (`Last-Event-ID`),
and is resumed strictly after it.
"""

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

_RETRY_MILLISECONDS: Final = (1_000, 4_000)
"""Who was told to come again does so spread over this time."""


class ServerSentEvents:
    """Lines end in LF. JSON as it is encoded here holds no line breaks, so that each response is one `data` line."""

    content_type = "text/event-stream; charset=utf-8"
    heartbeat_seconds = 15.0
    # Some browsers call a stream open only when its first byte has come.
    opening = heartbeat = b": \n\n"

    def begin(self, cursor: str) -> bytes:
        # An event without data is not dispatched, but its id counts.
        return b"id: %b\n\n" % cursor.encode()

    def part(self, body: bytes, cursor: str | None) -> bytes:
        event = b"event: next\ndata: %b\n\n" % body
        # Cursors are base64url: nothing in them can end a line.
        return b"id: %b\n%b" % (cursor.encode(), event) if cursor else event

    def end(self, errors: Sequence[Mapping[str, Any]] | None) -> bytes:
        # EventSource passes over events without data.
        complete = b"event: complete\ndata: \n\n"
        if errors is None:
            return complete
        return self.part(msgspec.json.encode({"errors": errors}), _resume_point(errors)) + complete

    def restart(self) -> bytes:
        """Without `complete`, because the operation is not: clients then come again by themselves."""
        return b"retry: %d\n\n" % random.randint(*_RETRY_MILLISECONDS)


def _resume_point(errors: Sequence[Mapping[str, Any]]) -> str | None:
    """Of a consumer that fell behind. The cursor of CURSOR_EXPIRED is none: to go on there is to lose records."""
    extensions = errors[0]["extensions"]
    cursor = extensions.get("cursor") if extensions["code"] == "LAGGED" else None
    return cursor if isinstance(cursor, str) else None
