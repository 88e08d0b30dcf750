"""How the indexer's parts are: told by the indexer, read by every API process."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from app.store.tables import components

SILENT_SECONDS: Final = 5.0


class Told(NamedTuple):
    """A part as the indexer told it."""

    name: str
    state: str
    """OK, DEGRADED or DOWN."""
    detail: str
    """For people; empty where there is nothing to say."""
    age_seconds: float
    """Since it was told, by the database's clock."""

    @property
    def is_silent(self) -> bool:
        """Whether it was told too long ago to be true: the indexer was killed."""
        return self.age_seconds > SILENT_SECONDS


async def tell_components(engine: AsyncEngine, parts: Sequence[tuple[str, str, str]]) -> None:
    """Replaces what was told before."""
    rows = [{"name": name, "state": state, "detail": detail, "told_at": func.now()} for name, state, detail in parts]
    async with engine.begin() as connection:
        await connection.execute(delete(components).where(components.c.name.not_in([row["name"] for row in rows])))
        for row in rows:
            statement = insert(components).values(row)
            await connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))


async def read_components(engine: AsyncEngine) -> list[Told]:
    """As told last, by name."""
    age = func.extract("epoch", func.now() - components.c.told_at)
    query = select(components.c.name, components.c.state, components.c.detail, age).order_by(components.c.name)
    async with engine.connect() as connection:
        return [Told(row[0], row[1], row[2], float(row[3])) for row in await connection.execute(query)]
