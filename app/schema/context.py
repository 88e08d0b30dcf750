"""What resolvers are given: store, cursors, settings, hub, and the loaders of one operation or one event."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import strawberry
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.cursors import Cursors
from app.live.moment import Moment
from app.schema.live_charts import LiveCharts
from app.schema.loaders import Loaders, known_rates
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Context:
    """One per operation, or per step of the feed, so that no answer is older than what it answers."""

    engine: AsyncEngine
    cursors: Cursors
    settings: Settings
    hub: Any = None
    """`app.live.hub.Hub` where this process delivers streams."""
    subscriptions: Callable[[], int] = lambda: 0
    """Open subscriptions of this process."""
    resume_after: str | None = None
    """Cursor that a client sent beside its request, because it comes again by itself; it goes before those in it."""
    charts: LiveCharts = field(default_factory=LiveCharts)
    """Charts that streams of this process watch."""
    loaders: Loaders = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "loaders", Loaders(self.engine, self.settings))

    def fresh(self) -> "Context":
        """The same with empty loaders."""
        return replace(self)

    def resumed(self, cursor: str) -> "Context":
        """The context in which a subscription goes on after a cursor, wherever its arguments say that it starts."""
        return replace(self, resume_after=cursor)

    def at(self, moment: Moment) -> "Context":
        """The context of everything that is executed for one step of the feed, primed with what the step brought: that
        costs no read. Made once for each step, so that what several groups have to read is read together."""
        if moment.context is None:
            context = moment.context = replace(self)
            context.loaders.prime(moment.head, known_rates(moment, self.settings), moment.tokens)
        assert isinstance(moment.context, Context)
        return moment.context


Info = strawberry.Info[Context, None]
