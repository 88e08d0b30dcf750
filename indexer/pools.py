"""Pools that are known: what lets a swap be decoded that comes without the accounts which name its mints."""

from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.events import Event, PoolCreation
from app.domain.programs import TradeProgram
from app.store.tables import tokens, venues
from indexer.decoders.context import PoolMints

_KEPT = 500_000


class PoolBook(Mapping[str, PoolMints]):
    """Mints by pool address, in the pool's own orientation; only pools whose creation was seen have a known one."""

    def __init__(self) -> None:
        self._pools: dict[str, PoolMints] = {}

    def __getitem__(self, pool: str) -> PoolMints:
        return self._pools[pool]

    def __iter__(self) -> Iterator[str]:
        return iter(self._pools)

    def __len__(self) -> int:
        return len(self._pools)

    async def load(self, engine: AsyncEngine) -> None:
        """Takes the newest stored pools."""
        statement = (
            select(venues, tokens.c.mint, tokens.c.decimals)
            .join(tokens, tokens.c.id == venues.c.token_id)
            .where(venues.c.kind == TradeProgram.AMM_POOL, venues.c.is_inverted.is_not(None))
            .order_by(venues.c.id.desc())
            .limit(_KEPT)
        )
        async with engine.connect() as connection:
            for row in await connection.execute(statement):
                mints = (row.mint, row.quote_mint, row.decimals, row.quote_decimals)
                self._pools[row.address] = _oriented(*mints, is_inverted=row.is_inverted)

    def learn(self, events: Iterable[Event]) -> bool:
        """Takes pool creations; says whether any pool was new."""
        known = len(self._pools)
        for event in events:
            if isinstance(event, PoolCreation):
                mints = (event.mint, event.quote_mint, event.base_decimals, event.quote_decimals)
                self._pools[event.pool] = _oriented(*mints, is_inverted=event.is_inverted)
        return len(self._pools) > known


def _oriented(mint: str, quote_mint: str, decimals: int, quote_decimals: int, *, is_inverted: bool) -> PoolMints:
    if is_inverted:
        return PoolMints(quote_mint, mint, quote_decimals, decimals)
    return PoolMints(mint, quote_mint, decimals, quote_decimals)
