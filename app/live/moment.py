"""One step of the live feed: what everybody who is told of it shares."""

from collections.abc import Mapping

from app.domain.events import Rate
from app.domain.records import Head, TokenRecord


class Moment:
    """A batch of the feed while it is handed out."""

    __slots__ = ("context", "head", "rates", "sequence", "tokens")

    def __init__(
        self, sequence: int, head: Head | None, rates: Mapping[str, Rate], tokens: Mapping[str, TokenRecord]
    ) -> None:
        self.sequence = sequence
        """Newest sequence that has been handed out with this step."""
        self.head = head
        self.rates = rates
        """Newest rate by quote mint, fresh at the head or not."""
        self.tokens = tokens
        """New state of every token that the batch touched, by mint."""
        self.context: object = None
        """What the layer above executes in: made by the first that needs it, shared by all (one read for all)."""
