"""Which moments of a token's trading changed after a place in the feed: what a chart has to be shown again for."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, Select, SmallInteger, Text, column, func, literal, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain.events import pack_position
from app.domain.records import RecordKind
from app.store.keys import among
from app.store.rows import to_seconds
from app.store.tables import retractions, tokens, trades


def _of(mint: str) -> ColumnElement[bool]:
    return trades.c.token_id == select(tokens.c.id).where(tokens.c.mint == mint).scalar_subquery()


async def read_traded_times(connection: AsyncConnection, mint: str, after: int) -> list[int]:
    """Block times of the stored trades with a sequence above `after`."""
    query = select(trades.c.block_time).distinct().where(trades.c.sequence > after, _of(mint))
    return [to_seconds(time) for time in await connection.scalars(query)]


async def read_withdrawn_times(connection: AsyncConnection, mint: str, after: int) -> list[int]:
    """Block times of the trades that a fork took away with a sequence above `after`."""
    gone = select_withdrawn([mint]).where(retractions.c.sequence > after).subquery()
    return list(await connection.scalars(select(gone.c.block_time).distinct()))


def select_withdrawn(mints: Sequence[str]) -> Select[tuple[str, int]]:
    """Mint and block time (Unix seconds) of every trade of these mints that a fork took away."""
    each = (
        func.unnest(retractions.c.kinds, retractions.c.mints, retractions.c.block_times)
        .table_valued(column("kind", SmallInteger), column("mint", Text), column("block_time", BigInteger), name="each")
        .render_derived(name="each")
    )
    names_one = retractions.c.mints.op("&&")(literal(list(mints), ARRAY(Text)))
    query = select(each.c.mint, each.c.block_time).select_from(retractions.join(each, true()))
    return query.where(names_one, among(each.c.mint, mints), each.c.kind == RecordKind.TRADE)


async def read_time_of_slot(connection: AsyncConnection, mint: str, slot: int) -> int | None:
    """Block time of the first trade in `slot` or later; None where there is none."""
    query = select(func.min(trades.c.block_time)).where(trades.c.position >= pack_position(slot, 0, 0), _of(mint))
    found: datetime | None = await connection.scalar(query)
    return None if found is None else to_seconds(found)
