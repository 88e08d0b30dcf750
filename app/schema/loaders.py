"""Loaders of one operation: each gathers the keys of a page and reads them in one statement per set of arguments."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any, TypeVar

from aiodataloader import DataLoader
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.domain.events import Rate
from app.domain.metadata import TokenMetadata
from app.domain.programs import WSOL, Commitment
from app.domain.records import ChainPoint, GraduationRecord, Head, TokenRecord, TradeRecord
from app.live.moment import Moment
from app.schema.keys import CandleKey, ChartKey, HoldersKey, TradesKey
from app.schema.sharing import SharedLoader
from app.settings import Settings
from app.store.candles import Chart, read_candle_traders, read_charts
from app.store.feed import read_head
from app.store.graduations import read_graduations_by_identity
from app.store.holders import Holding, read_dbc_vaults, read_top_holders
from app.store.metadata import read_token_metadata
from app.store.rates import read_rates, read_rates_at
from app.store.statistics import (
    PastPrice,
    WindowKey,
    WindowStats,
    read_past_prices,
    read_volumes,
    read_window_stats,
)
from app.store.tokens import ConfigFacts, read_config_facts, read_tokens, read_tokens_by_venue
from app.store.trades import read_curve_fees, read_token_trade_pages, read_trades_by_identity

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")
_READS_AT_ONCE = 2
"""Connections that one operation may hold, so that a large one leaves the pool to others."""
_NOWHERE = Head(point=ChainPoint(0, 0, Commitment.CONFIRMED), finalized=None, sequence=0, source="", is_simulated=False)
"""The head of an empty store."""


class Loaders:
    """Built empty; each loader comes to be when it is first used, inside the running loop."""

    def __init__(self, engine: AsyncEngine, settings: Settings) -> None:
        self._engine = engine
        self._turns = asyncio.Semaphore(_READS_AT_ONCE)
        self._settings = settings
        self._tokens: Mapping[str, TokenRecord] = {}
        self._head: asyncio.Future[Head] | None = None
        self._rates: asyncio.Future[Mapping[str, Decimal]] | None = None

    def prime(self, head: Head | None, rates: Mapping[str, Decimal], tokens: Mapping[str, TokenRecord]) -> None:
        """Takes what is known already, tokens by mint; needs a running loop."""
        if head is not None:
            self._head = _known(head)
        self._rates = _known(rates)
        self._tokens = tokens

    async def read(self, read: Callable[..., Awaitable[Value]], *arguments: Any) -> Value:
        """One read of the store on a connection of its own."""
        async with self._turns, self._engine.connect() as connection:
            # Without a transaction around it, a statement costs one round trip instead of three.
            autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
            return await read(autocommit, *arguments)

    async def head(self) -> Head:
        """How far the store has come, the same for the whole operation."""
        if self._head is None:
            self._head = asyncio.ensure_future(self._read_head())
        return await asyncio.shield(self._head)

    async def head_time(self) -> int:
        """Where windows end: Unix seconds."""
        return (await self.head()).point.time

    async def rates(self) -> Mapping[str, Decimal]:
        """US dollars per whole quote token, by quote mint: only rates that are fresh at the head."""
        if self._rates is None:
            self._rates = asyncio.ensure_future(self._read_rates())
        return await asyncio.shield(self._rates)

    async def _read_head(self) -> Head:
        return await read_head(self._engine) or _NOWHERE

    async def _read_rates(self) -> Mapping[str, Decimal]:
        oldest = await self.head_time() - self._settings.rate_max_age_seconds
        return _with_fixed_rate(await self.read(read_rates, max(oldest, 0)), self._settings)

    @cached_property
    def token(self) -> DataLoader[str, TokenRecord | None]:
        """By mint."""
        return _Tokens(self._tokens, lambda keys: self.read(read_tokens, keys))

    @cached_property
    def token_of_venue(self) -> DataLoader[str, TokenRecord | None]:
        """By the address of a curve or pool."""
        return self._by_key(read_tokens_by_venue)

    @cached_property
    def config(self) -> DataLoader[str, ConfigFacts | None]:
        """By the address of a Meteora DBC config."""
        return self._by_key(read_config_facts)

    @cached_property
    def curve_fee(self) -> DataLoader[int, int | None]:
        """Fee in basis points that was last paid on a token's curve, by token id."""
        return self._by_key(read_curve_fees)

    @cached_property
    def metadata(self) -> DataLoader[int, TokenMetadata | None]:
        """What a token's document says, by token id."""
        return self._by_key(read_token_metadata)

    @cached_property
    def dbc_vault(self) -> DataLoader[int, int | None]:
        """What the vault of a Meteora DBC curve holds, raw, by token id."""
        return self._by_key(read_dbc_vaults)

    @cached_property
    def graduation(self) -> DataLoader[bytes, GraduationRecord | None]:
        """By identity."""
        return self._by_key(read_graduations_by_identity)

    @cached_property
    def trade(self) -> DataLoader[tuple[int, bytes], TradeRecord | None]:
        """By (block time, identity)."""

        async def load(keys: list[tuple[int, bytes]]) -> list[TradeRecord | None]:
            found = await self.read(read_trades_by_identity, keys)
            return [found.get(identity) for _, identity in keys]

        return SharedLoader(load)

    @cached_property
    def trades(self) -> DataLoader[TradesKey, list[TradeRecord]]:
        """Pages of the trades of one token each."""

        async def load(keys: list[TradesKey]) -> list[list[TradeRecord]]:
            found: dict[TradesKey, list[TradeRecord]] = {}
            for group in _groups(keys, lambda key: key.arguments):
                token_ids = [key.token_id for key in group]
                pages = await self.read(read_token_trade_pages, token_ids, group[0].query)
                found |= {key: pages[key.token_id] for key in group}
            return [found[key] for key in keys]

        return SharedLoader(load)

    @cached_property
    def chart(self) -> DataLoader[ChartKey, Chart | None]:
        async def load(keys: list[ChartKey]) -> list[Chart | None]:
            found: dict[ChartKey, Chart] = {}
            for group in _groups(keys, lambda key: key.range):
                charts = await self.read(read_charts, [key.mint for key in group], group[0].range)
                found |= {key: charts[key.mint] for key in group if key.mint in charts}
            return [found.get(key) for key in keys]

        return SharedLoader(load)

    @cached_property
    def candle_traders(self) -> DataLoader[CandleKey, int]:
        """Distinct traders of one candle."""

        async def load(keys: list[CandleKey]) -> list[int]:
            found: dict[CandleKey, int] = {}
            for group in _groups(keys, lambda key: (key.interval, key.program)):
                interval, program = group[0].interval, group[0].program
                slots = [(key.token_id, key.start) for key in group]
                counts = await self.read(read_candle_traders, interval, program, slots)
                found |= {key: counts.get((key.token_id, key.start), 0) for key in group}
            return [found[key] for key in keys]

        return SharedLoader(load)

    @cached_property
    def holders(self) -> DataLoader[HoldersKey, list[Holding]]:
        async def load(keys: list[HoldersKey]) -> list[list[Holding]]:
            found: dict[HoldersKey, list[Holding]] = {}
            for group in _groups(keys, lambda key: (key.limit, key.exclude_vaults)):
                token_ids = [key.token_id for key in group]
                holders = await self.read(read_top_holders, token_ids, group[0].limit, group[0].exclude_vaults)
                found |= {key: holders[key.token_id] for key in group}
            return [found[key] for key in keys]

        return SharedLoader(load)

    @cached_property
    def sol_usd(self) -> DataLoader[int, Decimal | None]:
        """US dollars per SOL at a moment (Unix seconds)."""

        async def load(times: list[int]) -> list[Decimal | None]:
            if self._settings.sol_usd:
                return [Decimal(self._settings.sol_usd)] * len(times)
            found = await self.read(read_rates_at, WSOL, times, self._settings.rate_max_age_seconds)
            return [found.get(time) for time in times]

        return SharedLoader(load)

    @cached_property
    def stats(self) -> DataLoader[WindowKey, WindowStats | None]:
        """By (token id, window in seconds)."""
        return self._by_window(read_window_stats)

    @cached_property
    def volume(self) -> DataLoader[WindowKey, Decimal | None]:
        """Volume in USD by (token id, window in seconds)."""
        return self._by_window(read_volumes)

    @cached_property
    def past_price(self) -> DataLoader[WindowKey, PastPrice | None]:
        """Spot at the start of a window, by (token id, window in seconds)."""
        return self._by_window(read_past_prices)

    def _by_key(
        self, read: Callable[[AsyncConnection, Sequence[Key]], Awaitable[Mapping[Key, Value]]]
    ) -> DataLoader[Key, Value | None]:
        async def load(keys: list[Key]) -> list[Value | None]:
            found = await self.read(read, keys)
            return [found.get(key) for key in keys]

        return SharedLoader(load)

    def _by_window(
        self, read: Callable[[AsyncConnection, Sequence[WindowKey], int], Awaitable[Mapping[WindowKey, Value]]]
    ) -> DataLoader[WindowKey, Value | None]:
        async def load(keys: list[WindowKey]) -> list[Value | None]:
            found = await self.read(read, keys, await self.head_time())
            return [found.get(key) for key in keys]

        return SharedLoader(load)


class _Tokens(SharedLoader[str, TokenRecord | None]):
    """Knows some tokens without a read; each becomes a future only when it is asked for."""

    def __init__(
        self,
        known: Mapping[str, TokenRecord],
        read: Callable[[list[str]], Awaitable[Mapping[str, TokenRecord]]],
    ) -> None:
        super().__init__()
        self._known = known
        self._read = read

    def load(self, key: str) -> asyncio.Future[TokenRecord | None]:
        known = self._known.get(key)
        return super().load(key) if known is None else _known(known)

    async def batch_load_fn(self, keys: list[str]) -> list[TokenRecord | None]:
        found = await self._read(keys)
        return [found.get(key) for key in keys]


def known_rates(moment: Moment, settings: Settings) -> dict[str, Decimal]:
    """US dollars per whole quote token, of the rates that are fresh at the head of a step."""
    head_time = moment.head.point.time if moment.head is not None else 0
    return fresh_rates(moment.rates.values(), head_time, settings)


def fresh_rates(rates: Iterable[Rate], head_time: int, settings: Settings) -> dict[str, Decimal]:
    """The rates that may be used at `head_time`, by quote mint, with the one that the settings fix."""
    oldest = head_time - settings.rate_max_age_seconds
    return _with_fixed_rate({rate.quote_mint: Decimal(rate.usd) for rate in rates if rate.time >= oldest}, settings)


def _with_fixed_rate(rates: Mapping[str, Decimal], settings: Settings) -> dict[str, Decimal]:
    return {**rates, **({WSOL: Decimal(settings.sol_usd)} if settings.sol_usd else {})}


def _groups(keys: Iterable[Key], arguments: Callable[[Key], Hashable]) -> list[list[Key]]:
    groups: defaultdict[Hashable, list[Key]] = defaultdict(list)
    for key in keys:
        groups[arguments(key)].append(key)
    return list(groups.values())


def _known(value: Value) -> asyncio.Future[Value]:
    future: asyncio.Future[Value] = asyncio.get_running_loop().create_future()
    future.set_result(value)
    return future
