"""What resolvers are given: store, cursors, settings, hub, and the loaders of one operation or one event."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import strawberry
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.cursors import Cursors
from app.domain.records import Head, TokenRecord
from app.schema.loaders import Loaders
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """One per operation. A long one takes a `fresh` context for each event, so that no answer is older than it."""

    engine: AsyncEngine
    cursors: Cursors
    settings: Settings
    hub: Any = None
    """`app.live.hub.Hub` where this process delivers streams."""
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "loaders", Loaders(self.engine, self.settings))

    def fresh(
        self,
        *,
        head: Head | None = None,
        rates: Mapping[str, Decimal] | None = None,
        tokens: Iterable[TokenRecord] = (),
    ) -> "Context":
        """The same with empty loaders, primed with what an event already brought: that costs no read.

        `rates` are those that are fresh at `head`; see `app.schema.loaders.fresh_rates`.
        """
        context = replace(self)
        context.loaders.prime(head, rates, tokens)
        return context


Info = strawberry.Info[Context, None]
