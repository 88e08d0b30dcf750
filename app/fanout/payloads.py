"""What a subscription sends: one response, made once for everybody who asked the same."""

from collections.abc import Sequence
from typing import Any


class Payload:
    """A response as JSON, with what its members need to hold it, to skip it and to resume after it."""

    __slots__ = ("before", "body", "cursor", "records", "sequence")

    def __init__(
        self, body: bytes, sequence: int, cursor: str | None, before: str | None, records: Sequence[Any]
    ) -> None:
        self.body = body
        """The whole response: `data`, `errors`, `extensions`."""
        self.sequence = sequence
        """Newest sequence of its records: members that have it already skip the payload."""
        self.cursor = cursor
        """Resume point after it; None where the field has none."""
        self.before = before
        """Resume point before it: what is not delivered from here on can be had from there."""
        self.records = records
        """What it was made of: from them it is made anew where records of it are dropped or merged."""
