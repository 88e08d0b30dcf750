"""Dead letters, once more: decoded with what is known now; what works is stored and the letter closed."""

from sqlalchemy.ext.asyncio import AsyncEngine

from app.store.dead_letters import DeadLetter, list_dead_letters, resolve_dead_letters
from app.store.writer import Writer
from app.store.writer_batch import Stored, Work
from indexer.entries import Entry, read_entry, transaction_of
from indexer.pipeline import write_entries
from indexer.pools import PoolBook

UNKNOWN_POOL = "pool mints unknown"
"""Cause of a decoder that met a swap of a pool it cannot name the mints of."""
_PAGE = 200


async def redrive(engine: AsyncEngine, writer: Writer, pools: PoolBook, *, cause: str | None = None) -> list[Stored]:
    """Tries all open letters, or those of one cause, again; returns what that stored.

    A letter whose transaction still fails in the same way stays open. Doing it twice stores nothing twice.
    """
    done: list[Stored] = []
    last = 0
    while letters := await list_dead_letters(engine, after=last, cause=cause, limit=_PAGE):
        last = letters[-1].id or last
        read = [(letter, read_entry(transaction_of(letter), pools)) for letter in letters]
        readable = [(letter, entry) for letter, entry in read if not _fails_again(letter, entry)]
        if readable:
            written = await write_entries(writer, [entry for _, entry in readable], Work())
            done += written.stored
            refused = {letter.key for letter in written.refused}
            closed = [letter.id for letter, _ in readable if letter.id is not None and letter.key not in refused]
            async with engine.begin() as connection:
                await resolve_dead_letters(connection, closed)
    return done


def _fails_again(letter: DeadLetter, entry: Entry) -> bool:
    return letter.cause in {each.cause for each in entry.letters}
