"""What a known program emitted and we could not decode: kept with its transaction, so that it can be re-driven."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.store.tables import dead_letters


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """`transaction` is opaque to the store (msgpack of the indexer's `Transaction`)."""

    signature: str
    slot: int
    program: str | None
    cause: str
    transaction: bytes
    id: int | None = None
    """None until it is stored."""

    @property
    def key(self) -> bytes:
        """The same failure of the same transaction is the same letter, from whatever source it comes again."""
        text = f"{self.signature}/{self.program}/{self.cause}".encode()
        return hashlib.blake2b(text, digest_size=16).digest()


async def keep_dead_letters(connection: asyncpg.Connection, letters: Sequence[DeadLetter]) -> int:
    """Part of the writer's transaction; returns how many were not there yet."""
    if not letters:
        return 0
    rows = await connection.fetch(
        "INSERT INTO dead_letters (key, signature, slot, program, cause, transaction, first_seen_at)"
        " SELECT *, now() FROM unnest($1::bytea[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::bytea[])"
        " ON CONFLICT (key) DO NOTHING RETURNING id",
        [letter.key for letter in letters],
        [letter.signature for letter in letters],
        [letter.slot for letter in letters],
        [letter.program for letter in letters],
        [letter.cause for letter in letters],
        [letter.transaction for letter in letters],
    )
    return len(rows)


async def list_dead_letters(
    engine: AsyncEngine, *, after: int = 0, cause: str | None = None, limit: int = 500
) -> list[DeadLetter]:
    """Unresolved letters with an id above `after`, oldest first; only those of `cause` when it is given."""
    statement = select(dead_letters).where(dead_letters.c.resolved_at.is_(None), dead_letters.c.id > after)
    if cause is not None:
        statement = statement.where(dead_letters.c.cause == cause)
    async with engine.connect() as connection:
        rows = await connection.execute(statement.order_by(dead_letters.c.id).limit(limit))
    return [DeadLetter(row.signature, row.slot, row.program, row.cause, row.transaction, row.id) for row in rows]


async def resolve_dead_letters(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Marks letters whose transactions have been stored since."""
    now = datetime.now(UTC)
    await connection.execute(dead_letters.update().where(dead_letters.c.id.in_(ids)).values(resolved_at=now))
