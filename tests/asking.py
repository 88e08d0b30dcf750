"""A store written by the real writer, and the schema asked about it as the transport asks."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from graphql import GraphQLError
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.cursors import Cursors
from app.domain.events import Event, Rate
from app.domain.records import TradeRecord
from app.schema import schema
from app.schema.context import Context
from app.settings import Settings
from app.store.writer import Writer
from app.store.writer_accounts import Balance
from app.store.writer_batch import Work


@dataclass
class Asked:
    """The schema over one store."""

    engine: AsyncEngine
    cursors: Cursors
    settings: Settings
    trades: list[TradeRecord]

    async def execute(self, query: str, **variables: Any) -> Any:
        context = Context(self.engine, self.cursors, self.settings)
        return await schema.execute(query, variable_values=variables, context_value=context)

    async def answer(self, query: str, **variables: Any) -> Any:
        """The data of a query that has no error."""
        result = await self.execute(query, **variables)
        assert result.errors is None, result.errors
        return result.data

    async def refusal(self, query: str, **variables: Any) -> tuple[str, str]:
        """Code and message of the only error of a query."""
        errors: list[GraphQLError] = (await self.execute(query, **variables)).errors
        assert len(errors) == 1, errors
        cause = errors[0].original_error
        return str(getattr(cause, "code", "")), errors[0].message

    async def write(
        self, events: Iterable[Event], balances: Iterable[Balance] = (), rates: Iterable[Rate] = ()
    ) -> None:
        """Stores a batch more."""
        async with Writer(self.engine, self.settings, source="test", is_simulated=False) as writer:
            stored = await writer.write(Work(events=list(events), balances=list(balances), rates=list(rates)))
        self.trades += stored.batch.trades

    def with_settings(self, **given: Any) -> "Asked":
        return replace(self, settings=replace(self.settings, **given))

    @contextmanager
    def statements(self) -> Iterator[list[str]]:
        """Every statement that runs inside."""
        seen: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            seen.append(statement)

        event.listen(self.engine.sync_engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            event.remove(self.engine.sync_engine, "before_cursor_execute", note)
