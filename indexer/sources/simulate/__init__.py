"""A seeded market in the real wire format, for demo, tests and load: never real data, and always said so."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from math import sin
from random import Random
from typing import Final

import msgspec

from app.domain.events import Rate
from app.domain.programs import WSOL
from app.errors import InvalidInput
from indexer.sources import Delivery
from indexer.sources.simulate import market, shape
from indexer.sources.simulate.addresses import Seeded
from indexer.sources.simulate.market import Swap, Token, Venue
from indexer.sources.simulate.meteora_dbc import DbcAccounts, MeteoraDbc
from indexer.sources.simulate.pump_fun import PumpAccounts, PumpFun
from indexer.sources.simulate.pump_swap import PoolAccounts, PumpSwap
from indexer.sources.simulate.transactions import Stamp
from indexer.transaction import Transaction

MAX_RATE: Final = 50_000
SLOTS_PER_SECOND: Final = 2.5
_FIRST_SLOT: Final = 460_000_000
_WALLETS: Final = 20_000
_RATE_SLOTS: Final = 5
"""A new SOL price every two seconds."""
_SNAPSHOT_SECONDS: Final = 5.0
_DELIVERY_TRADES: Final = 500
_SUBSLOTS: Final = 8
"""Parts in which a slot arrives, as a validator streams it while it executes."""
_FINALIZED_LAG: Final = 32
_CANDIDATES: Final = 5
"""Ranks that a new token looks at before it takes the least interesting one."""


class Snapshot(msgspec.Struct, kw_only=True):
    """Everything that a market is at the start of a slot: what a restarted simulation goes on from."""

    started: int
    """Unix seconds of slot 0."""
    slot: int
    launched: int
    transactions: int
    trades: int
    tokens: list[Token]


class SimulateSource:
    """The simulated market as a source.

    `rate`: trades a second (at most 50,000). `tokens`: how many trade at once. `count`: ends after so many trades; None
    goes on for ever. `started`: Unix seconds of the first slot; None is now, less `history_seconds`, which are
    delivered as fast as they are taken. With `started` and `count` nothing depends on the clock: the same seed gives
    the same bytes.
    """

    name = "simulate"
    is_simulated = True

    def __init__(
        self,
        *,
        seed: int = 1,
        rate: float = 40.0,
        tokens: int = 200,
        count: int | None = None,
        started: int | None = None,
        history_seconds: int = 900,
        paced: bool = True,
    ) -> None:
        if not 0 < rate <= MAX_RATE:
            raise InvalidInput(f"--rate must be above 0 and at most {MAX_RATE} trades a second; {rate:g} is not.")
        if tokens < 1:
            raise InvalidInput(f"--tokens must be at least 1; {tokens} is not.")
        self._seed = seed
        self._rate = rate
        self._count = count
        self._paced = paced
        self._weights = shape.zipf(tokens)
        self._tokens = tokens
        self._started = started
        self._history_seconds = history_seconds

    async def stream(self, state: bytes | None) -> AsyncIterator[Delivery]:
        """Deliveries in slot order; in real time once the past is delivered, when paced."""
        snapshot = msgspec.msgpack.decode(state, type=Snapshot) if state else self._opening()
        if state and self._paced and self._count is None:
            # A chain does not wait for its indexer: what nobody simulated meanwhile did not happen.
            now = int((time.time() - snapshot.started) * SLOTS_PER_SECOND)
            snapshot.slot = max(snapshot.slot, now)
        chain = _Chain(self._seed, self._rate, self._weights, self._tokens, snapshot)
        last_state = time.monotonic()
        while self._count is None or snapshot.trades < self._count:
            limit = None if self._count is None else self._count - snapshot.trades
            slot = snapshot.slot
            is_first = True
            for part, share in chain.next_slot(limit):
                if self._paced:
                    await _until(snapshot.started + (slot + share) / SLOTS_PER_SECOND)
                due = share == 1 and (time.monotonic() - last_state > _SNAPSHOT_SECONDS or not self._more(snapshot))
                yield self._delivery(part, slot, snapshot if due else None, is_first=is_first)
                is_first = False
                if due:
                    last_state = time.monotonic()

    def _opening(self) -> Snapshot:
        started = int(time.time()) - self._history_seconds if self._started is None else self._started
        return Snapshot(started=started, slot=0, launched=0, transactions=0, trades=0, tokens=[])

    def _more(self, snapshot: Snapshot) -> bool:
        return self._count is None or snapshot.trades < self._count

    def _delivery(
        self, part: tuple[Transaction, ...], slot: int, snapshot: Snapshot | None, *, is_first: bool
    ) -> Delivery:
        rates: tuple[Rate, ...] = ()
        if is_first and slot % _RATE_SLOTS == 0 and part:
            block_time = part[0].block_time or 0
            rates = (Rate(WSOL, block_time, sol_usd(self._seed, slot)),)
        return Delivery(
            transactions=part,
            rates=rates,
            state=msgspec.msgpack.encode(snapshot) if snapshot else b"",
            finalized_slot=_FIRST_SLOT + slot - _FINALIZED_LAG if is_first and slot > _FINALIZED_LAG else None,
        )


def sol_usd(seed: int, slot: int) -> str:
    """A SOL price that wanders around 150 USD: slow waves and a little noise, decimal text."""
    waves = 6 * sin(slot / 9_000 + seed) + 2 * sin(slot / 1_300) + 0.4 * sin(slot / 170)
    noise = Random(seed * 1_000_003 + slot).uniform(-0.05, 0.05)
    return f"{150 + waves + noise:.4f}"


async def _until(moment: float) -> None:
    """Waits for a moment of the wall clock; not at all when it has passed."""
    delay = moment - time.time()
    await asyncio.sleep(max(delay, 0))


class _Chain:
    """Turns the market's decisions into transactions, slot by slot."""

    def __init__(self, seed: int, rate: float, weights: list[float], tokens: int, snapshot: Snapshot) -> None:
        self._seed = seed
        self._per_slot = rate / SLOTS_PER_SECOND
        self._weights = weights
        self._size = tokens
        self._now = snapshot
        self._seeded = Seeded(seed)
        self._pump = PumpFun(self._seeded)
        self._swap = PumpSwap(self._seeded)
        self._dbc = MeteoraDbc(self._seeded)
        remembered = lru_cache(maxsize=2 * tokens)  # those that trade, and some that just ceased
        self._pump_accounts = remembered(self._make_pump_accounts)
        self._pool_accounts = remembered(self._make_pool_accounts)
        self._dbc_accounts = remembered(self._make_dbc_accounts)
        self._by_number = {token.number: token for token in snapshot.tokens}
        self._index = 0

    def next_slot(self, limit: int | None) -> Iterator[tuple[tuple[Transaction, ...], float]]:
        """The transactions of one slot in parts, each with the share of the slot that is over then; at most `limit`
        trades. The market is one slot on with the last part."""
        now = self._now
        rng = Random(self._seed * 1_000_003 + now.slot)
        self._index = 0
        trades = _whole(self._per_slot, rng)
        trades = trades if limit is None else min(trades, limit)
        opening = [*self._launches(rng, trades), *self._migrations(rng)]
        picks = rng.choices(range(len(now.tokens)), cum_weights=self._weights[: len(now.tokens)], k=trades)
        size = max(1, min(_DELIVERY_TRADES, -(-trades // _SUBSLOTS)))
        for start in range(0, max(trades, 1), size):
            part = [*opening, *self._trades(picks[start : start + size], rng)]
            opening = []
            is_last = start + size >= trades
            if is_last:
                now.slot += 1
            yield tuple(part), 1.0 if is_last else (start + size) / trades

    def _launches(self, rng: Random, trades: int) -> Iterator[Transaction]:
        tokens = self._now.tokens
        missing = self._size - len(tokens) + sum(token.venue is Venue.GONE for token in tokens)
        for _ in range(missing or _whole(trades * shape.LAUNCHES_PER_TRADE, rng)):
            yield from self._launch(rng)

    def _launch(self, rng: Random) -> Iterator[Transaction]:
        now = self._now
        token = market.new_token(now.launched, int(rng.random() ** 2 * _WALLETS), rng)
        now.launched += 1
        self._place(token, rng)
        if token.is_dbc:
            yield self._dbc.launch(self._stamp(rng), self._dbc_accounts(token.number))
            return
        first = market.buy(token, token.creator, shape.buy_lamports(rng) * 2 + shape.LAMPORTS // 50)
        yield self._pump.launch(self._stamp(rng), token, self._pump_accounts(token.number), first)

    def _place(self, token: Token, rng: Random) -> None:
        """A new token takes the rank of one that few care about, which trades no more."""
        tokens = self._now.tokens
        self._by_number[token.number] = token
        if len(tokens) < self._size:
            tokens.append(token)
            return
        gone = (at for at, each in enumerate(tokens) if each.venue is Venue.GONE)
        candidates = (rng.randrange(self._size) for _ in range(_CANDIDATES))
        rank = next(gone, None)
        rank = min(candidates, key=lambda at: market.interest(tokens[at])) if rank is None else rank
        del self._by_number[tokens[rank].number]
        tokens[rank] = token

    def _migrations(self, rng: Random) -> Iterator[Transaction]:
        for token in self._now.tokens:
            if token.venue is Venue.FULL and self._now.slot - token.full_since >= market.MIGRATION_SLOTS:
                yield self._migrate(token, rng)

    def _migrate(self, token: Token, rng: Random) -> Transaction:
        stamp = self._stamp(rng)
        quote = market.migrate(token)
        if token.is_dbc:
            return self._dbc.migration(stamp, self._dbc_accounts(token.number), token)
        pool = self._pool_accounts(token.number)
        call = self._swap.create_pool(stamp, pool, quote)
        return self._pump.migration(stamp, pool.token, pool.pool.text, pool.base_vault.text, quote, call)

    def _trades(self, picks: list[int], rng: Random) -> Iterator[Transaction]:
        now = self._now
        for pick in picks:
            token = now.tokens[pick]
            venue = token.venue
            swap = market.trade(token, rng, _WALLETS)
            if swap is None:
                continue
            if swap.completes:
                token.full_since = now.slot
            now.trades += 1
            yield self._trade(swap, venue, rng, failed=False)
            if rng.random() < shape.FAILED_SHARE:
                yield self._trade(swap, venue, rng, failed=True)

    def _trade(self, swap: Swap, venue: Venue, rng: Random, *, failed: bool) -> Transaction:
        stamp = self._stamp(rng)
        number = swap.token.number
        if venue is Venue.PUMP_CURVE:
            return self._pump.trade(stamp, swap, self._pump_accounts(number), failed=failed)
        if venue is Venue.PUMP_POOL:
            return self._swap.trade(stamp, swap, self._pool_accounts(number), failed=failed)
        return self._dbc.trade(stamp, swap, self._dbc_accounts(number), failed=failed)

    def _stamp(self, rng: Random) -> Stamp:
        now = self._now
        number, index = now.transactions, self._index
        now.transactions += 1
        self._index += 1
        return Stamp(
            self._seeded.signature(number),
            _FIRST_SLOT + now.slot,
            index,
            now.started + int(now.slot / SLOTS_PER_SECOND),
            rng.getrandbits(20),
        )

    def _make_pump_accounts(self, number: int) -> PumpAccounts:
        return PumpAccounts(self._by_number[number], self._seeded)

    def _make_pool_accounts(self, number: int) -> PoolAccounts:
        return PoolAccounts(self._pump_accounts(number), self._seeded)

    def _make_dbc_accounts(self, number: int) -> DbcAccounts:
        return DbcAccounts(self._by_number[number], self._seeded)


def _whole(expected: float, rng: Random) -> int:
    """A whole number that is `expected` on average."""
    floor = int(expected)
    return floor + (rng.random() < expected - floor)
