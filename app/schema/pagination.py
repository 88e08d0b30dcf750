"""Relay connections: pages of records with the cursors that continue them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, TypeVar

import msgspec
import strawberry

from app.schema.arguments import PageArguments
from app.schema.lazy import LazyGraduationEvent, LazyToken, LazyTrade
from app.store.pages import Slice

Record = TypeVar("Record")


class Edge(msgspec.Struct, Generic[Record], frozen=True):
    """A record with the cursor that continues after it."""

    cursor: str
    node: Record


class Position(msgspec.Struct, frozen=True):
    """Where a page is inside its list."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


class Page(msgspec.Struct, Generic[Record], frozen=True):
    """A page of a connection."""

    edges: list[Edge[Record]]
    page_info: Position
    count: Callable[[], Awaitable[int]] | None = None
    """Counts the whole list; only called when the client asks for it."""

    @property
    def nodes(self) -> list[Record]:
        return [edge.node for edge in self.edges]


def part_of(page: PageArguments, key: Callable[[str], tuple[Any, ...]]) -> Slice:
    """The rows to read: one more than the page, to know whether more follow. `key` reads a cursor."""
    after = key(page.after) if page.after else None
    before = key(page.before) if page.before else None
    return Slice(page.size + 1, after, before, page.from_end)


def to_page(
    records: Sequence[Record],
    cursors: Sequence[str],
    page: PageArguments,
    count: Callable[[], Awaitable[int]] | None = None,
) -> Page[Record]:
    """The page of what `part_of` read. A cursor stands on a record, so one beyond it proves that there is more."""
    has_more = len(records) > page.size
    edges = [Edge(cursor, record) for cursor, record in zip(cursors, records, strict=True)]
    if has_more:
        edges = edges[1:] if page.from_end else edges[:-1]
    return Page(
        edges,
        Position(
            has_next_page=page.before is not None if page.from_end else has_more,
            has_previous_page=has_more if page.from_end else page.after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
        count,
    )


@strawberry.type(description="Position of a page inside a connection.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="More nodes follow `endCursor`.")
    has_previous_page: bool = strawberry.field(description="More nodes precede `startCursor`.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first edge.")
    end_cursor: str | None = strawberry.field(description="Cursor of the last edge; pass it as `after`.")


_COUNTED = 10_000
"""Largest number of tokens that is counted exactly."""


async def _total_count(page: strawberry.Parent[Page[Any]]) -> int | None:
    count = await page.count() if page.count is not None else None
    return None if count is None or count > _COUNTED else count


@strawberry.type(description="Token with its cursor.")
class TokenEdge:
    cursor: str = strawberry.field(description="Cursor.")
    node: LazyToken = strawberry.field(description="Token.")


@strawberry.type(description="Page of tokens.")
class TokenConnection:
    edges: list[TokenEdge] = strawberry.field(description="Edges.")
    nodes: list[LazyToken] = strawberry.field(description="Nodes without cursors.")
    page_info: PageInfo = strawberry.field(description="Position.")
    total_count = strawberry.field(resolver=_total_count, description="Matching tokens, exact up to 10,000, then null.")


@strawberry.type(description="Trade with its cursor.")
class TradeEdge:
    cursor: str = strawberry.field(description="Cursor; equal to `Trade.cursor`.")
    node: LazyTrade = strawberry.field(description="Trade.")


@strawberry.type(description="Page of trades.")
class TradeConnection:
    edges: list[TradeEdge] = strawberry.field(description="Edges.")
    nodes: list[LazyTrade] = strawberry.field(description="Nodes without cursors.")
    page_info: PageInfo = strawberry.field(description="Position.")


@strawberry.type(description="Graduation with its cursor.")
class GraduationEventEdge:
    cursor: str = strawberry.field(description="Cursor.")
    node: LazyGraduationEvent = strawberry.field(description="Graduation.")


@strawberry.type(description="Page of graduations.")
class GraduationEventConnection:
    edges: list[GraduationEventEdge] = strawberry.field(description="Edges.")
    nodes: list[LazyGraduationEvent] = strawberry.field(description="Nodes without cursors.")
    page_info: PageInfo = strawberry.field(description="Position.")
