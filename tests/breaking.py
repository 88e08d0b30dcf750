"""A database that breaks inside a batch when it is told to: it refuses a change, or ends the connection."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import asyncpg

FAULTY = ("tokens", "trades", "candles_1m", "token_accounts", "journal", "retractions", "graduations", "gaps", "feed")
_FAULTS = """
CREATE TABLE faults (at text, kills boolean);
CREATE SEQUENCE fault_number;
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM faults WHERE at = TG_TABLE_NAME) AND nextval('fault_number') = 1 THEN
        IF (SELECT kills FROM faults) THEN
            PERFORM pg_terminate_backend(pg_backend_pid());
        ELSE
            RAISE EXCEPTION 'a fault of the test';
        END IF;
    END IF;
    RETURN NULL;
END $$;
"""
"""The sequence is not rolled back: a fault happens once."""
END_OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


class Fault(NamedTuple):
    """What goes wrong inside a batch, at its first change of a table."""

    table: str
    kills: bool
    """The connection dies; else the batch is refused."""
    is_last: bool
    """The refused writer dies too."""


async def make_faulty(url: str) -> None:
    """Prepares a database for `failing`."""
    connection = await asyncpg.connect(url)
    await connection.execute(_FAULTS)
    for table in FAULTY:
        await connection.execute(
            f"CREATE TRIGGER fail AFTER INSERT OR UPDATE OR DELETE ON {table} EXECUTE FUNCTION fail()"
        )
    await connection.close()


@asynccontextmanager
async def failing(connection: asyncpg.Connection, fault: Fault | None) -> AsyncIterator[None]:
    """The fault happens once, if a batch comes to its table meanwhile; `connection` is not the writer's."""
    if fault is None:
        yield
        return
    await connection.execute("SELECT setval('fault_number', 1, false)")
    await connection.execute("INSERT INTO faults VALUES ($1, $2)", fault.table, fault.kills)
    try:
        yield
    finally:
        await connection.execute("DELETE FROM faults")
