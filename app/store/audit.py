"""What the store holds of a range of slots, in the shortest form that tells one record from another."""

from decimal import Decimal

import msgspec
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.elements import KeyedColumnElement

from app.domain.events import pack_position, unpack_position
from app.domain.slots import SlotRange
from app.store.rows import to_time
from app.store.tables import graduations, tokens, trades

_DAY_SECONDS = 86_400


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """A trade, launch or graduation; amounts are raw, None but for trades."""

    slot: int
    base_amount: int | None = None
    quote_amount: int | None = None


async def read_events(
    engine: AsyncEngine, slots: SlotRange, first_time: int, last_time: int
) -> dict[bytes, StoredEvent]:
    """By identity, everything stored of these slots. The times (Unix seconds) are those of its blocks: what lies more
    than a day off is not looked for."""
    times = (to_time(first_time - _DAY_SECONDS), to_time(last_time + _DAY_SECONDS))

    def within(position: KeyedColumnElement[int]) -> ColumnElement[bool]:
        return (position >= pack_position(slots.first, 0, 0)) & (position < pack_position(slots.last + 1, 0, 0))

    swaps = select(trades.c.identity, trades.c.position, trades.c.base_amount, trades.c.quote_amount).where(
        trades.c.block_time.between(*times), within(trades.c.position)
    )
    moved = select(graduations.c.identity, graduations.c.position).where(
        graduations.c.block_time.between(*times), within(graduations.c.position)
    )
    launched = select(tokens.c.launch_identity, tokens.c.created_position).where(
        tokens.c.created_at.between(*times), within(tokens.c.created_position), tokens.c.launch_identity.is_not(None)
    )
    found: dict[bytes, StoredEvent] = {}
    async with engine.connect() as connection:
        for row in await connection.execute(swaps):
            found[bytes(row.identity)] = StoredEvent(_slot(row.position), _raw(row.base_amount), _raw(row.quote_amount))
        for statement in (moved, launched):
            for identity, position in await connection.execute(statement):
                found[bytes(identity)] = StoredEvent(_slot(position))
    return found


def _slot(position: int) -> int:
    return unpack_position(position)[0]


def _raw(amount: Decimal) -> int:
    return int(amount)
