"""Pools that are known: what lets a swap be decoded that comes without the accounts which name its mints."""

from collections.abc import Iterable, Iterator, Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.domain.events import Event, Launch, PoolCreation, Trade
from app.domain.programs import Protocol
from app.store.tables import tokens, venues
from indexer.decoders.context import PoolMints

_KEPT = 500_000


class PoolBook(Mapping[str, PoolMints]):
    """Mints by venue address, in the venue's own orientation, where that is known.

    A Meteora curve's base is its token; of a pool, its creation or a trade with all its accounts tells.
    """

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
            .where(venues.c.is_inverted.is_not(None) | (venues.c.protocol == Protocol.METEORA_DBC))
            .order_by(venues.c.id.desc())
            .limit(_KEPT)
        )
        async with engine.connect() as connection:
            for row in await connection.execute(statement):
                mints = (row.mint, row.quote_mint, row.decimals, row.quote_decimals)
                self._pools[row.address] = _oriented(*mints, is_inverted=bool(row.is_inverted))

    def learn(self, events: Iterable[Event]) -> bool:
        """Takes what events tell; says whether any venue was new."""
        known = len(self._pools)
        for event in events:
            if isinstance(event, PoolCreation):
                self._learn(event.pool, event, is_inverted=event.is_inverted)
            elif event.program is Protocol.METEORA_DBC and isinstance(event, Launch):
                self._learn(event.bonding_curve, event, is_inverted=False)
            elif isinstance(event, Trade) and event.venue not in self._pools:
                self._learn_from_trade(event)
        return len(self._pools) > known

    def _learn_from_trade(self, trade: Trade) -> None:
        if trade.program is Protocol.METEORA_DBC:
            self._learn(trade.venue, trade, is_inverted=False)
        elif trade.is_inverted is not None:
            self._learn(trade.venue, trade, is_inverted=trade.is_inverted)

    def _learn(self, address: str, event: Launch | PoolCreation | Trade, *, is_inverted: bool) -> None:
        mints = (event.mint, event.quote_mint, event.base_decimals, event.quote_decimals)
        self._pools[address] = _oriented(*mints, is_inverted=is_inverted)


def _oriented(mint: str, quote_mint: str, decimals: int, quote_decimals: int, *, is_inverted: bool) -> PoolMints:
    if is_inverted:
        return PoolMints(quote_mint, mint, quote_decimals, decimals)
    return PoolMints(mint, quote_mint, decimals, quote_decimals)
