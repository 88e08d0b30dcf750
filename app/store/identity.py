"""Who this store is: the id that its cursors are bound to."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import StartupError
from app.store.tables import meta

STORE_ID = "store_id"


async def read_store_id(engine: AsyncEngine) -> str:
    """The id given to this store by its first migration. Raises StartupError where there is none."""
    async with engine.connect() as connection:
        store_id: str | None = await connection.scalar(select(meta.c.value).where(meta.c.key == STORE_ID))
    if store_id is None:
        raise StartupError("the database has no store id: run `curvecast migrate` first.")
    return store_id
