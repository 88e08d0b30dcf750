"""Up to where the chain is final, beside any row that is read: certainty follows from it, and rows stay untouched."""

from typing import Final

from sqlalchemy import select

from app.store.tables import feed

SETTLED_SLOT: Final = select(feed.c.finalized_slot).where(feed.c.id == 1).scalar_subquery().label("settled_slot")
"""Read once a statement. NULL where no source tells it."""
