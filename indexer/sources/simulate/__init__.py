"""A seeded market in the real wire format, for demo, tests and load: never real data, and always said so."""

import asyncio
import time
from bisect import bisect_right
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
from indexer.sources.simulate.addresses import Seeded, signatures
from indexer.sources.simulate.market import Swap, Token, Venue
from indexer.sources.simulate.meteora_dbc import DbcAccounts, MeteoraDbc
from indexer.sources.simulate.pump_fun import PumpAccounts, PumpFun
from indexer.sources.simulate.pump_swap import PoolAccounts, PumpSwap
from indexer.sources.simulate.transactions import Stamp, failed_again
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
_HISTORY_TRADES: Final = 100_000
"""Past that a fast market begins with at most: an indexer has stored it in seconds."""
_FINALIZED_LAG: Final = 32
_TRIES: Final = 8
"""Tokens that somebody tries who found one closed."""
_CANDIDATES: Final = 5
"""Ranks that a new token looks at before it takes the least interesting one."""


class Snapshot(msgspec.Struct, kw_only=True):
    """Everything that a market is at the start of a slot: what a restarted simulation goes on from."""

    started: int
    """Unix seconds of slot 0."""
    slot: int
    launched: int
    trades: int
    tokens: list[Token]


class SimulateSource:
    """The simulated market as a source.

    `rate`: trades a second (at most 50,000). `tokens`: how many trade at once. `count`: ends after so many trades; None
    goes on for ever. `started`: Unix seconds of the first slot; None is now, less `history_seconds` (fewer where they
    would hold more than 100,000 trades), which are delivered as fast as they are taken. With `started` and `count`
    nothing depends on the clock: the same seed gives the same bytes.
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
        self._history_seconds = min(history_seconds, int(_HISTORY_TRADES / rate))

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
        return Snapshot(started=started, slot=0, launched=0, trades=0, tokens=[])

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
        del snapshot.tokens[tokens:]  # of a state that was left by a market of more
        for token in snapshot.tokens:
            token.holders = list(token.holdings)  # states that were left before there were holders lack them
        self._by_number = {token.number: token for token in snapshot.tokens}
        self._index = 0
        self._slot = self._time = 0
        self._signatures: Iterator[str] = iter(())

    def next_slot(self, limit: int | None) -> Iterator[tuple[tuple[Transaction, ...], float]]:
        """The transactions of one slot in parts, each with the share of the slot that is over then; at most `limit`
        trades. The market is one slot on with the last part."""
        now = self._now
        rng = Random(f"{self._seed}/{now.slot}")  # no slot of another seed draws the same
        self._index = 0
        self._signatures = signatures(rng)
        self._slot = _FIRST_SLOT + now.slot
        self._time = now.started + int(now.slot / SLOTS_PER_SECOND)
        trades = _whole(self._per_slot, rng)
        trades = trades if limit is None else min(trades, limit)
        opening = [*self._launches(rng, trades), *self._migrations(rng)]
        picks = rng.choices(now.tokens, cum_weights=self._weights, k=trades)
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
        gone = [rank for rank, token in enumerate(tokens) if token.venue is Venue.GONE]
        free = gone + list(range(len(tokens), self._size))
        for _ in range(len(free) or _whole(trades * shape.LAUNCHES_PER_TRADE, rng)):
            yield from self._launch(free.pop(0) if free else self._forgotten(rng), rng)

    def _launch(self, rank: int, rng: Random) -> Iterator[Transaction]:
        """A new token takes the rank of one that trades no more, or of none yet."""
        now = self._now
        token = market.new_token(now.launched, int(rng.random() ** 2 * _WALLETS), rng)
        now.launched += 1
        self._place(token, rank)
        if token.is_dbc:
            yield self._dbc.launch(self._stamp(rng), self._dbc_accounts(token.number))
            return
        first = market.buy(token, token.creator, shape.buy_lamports(rng) * 2 + shape.LAMPORTS // 50)
        yield self._pump.launch(self._stamp(rng), token, self._pump_accounts(token.number), first)

    def _forgotten(self, rng: Random) -> int:
        """The rank of a token that few care about."""
        tokens = self._now.tokens
        candidates = (rng.randrange(self._size) for _ in range(_CANDIDATES))
        return min(candidates, key=lambda rank: market.interest(tokens[rank]))

    def _place(self, token: Token, rank: int) -> None:
        tokens = self._now.tokens
        self._by_number[token.number] = token
        if rank == len(tokens):
            tokens.append(token)
        else:
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

    def _trades(self, picks: list[Token], rng: Random) -> Iterator[Transaction]:
        now = self._now
        for token in picks:
            swap = market.trade(token, rng, _WALLETS) or self._elsewhere(rng)
            if swap is None:
                continue
            if swap.completes:
                swap.token.full_since = now.slot
            now.trades += 1
            landed = self._trade(swap, rng)
            yield landed
            if rng.random() < shape.FAILED_SHARE:
                yield failed_again(self._stamp(rng), landed)

    def _elsewhere(self, rng: Random) -> Swap | None:
        """A trade of somebody who found a curve closed: the rate holds while a busy token awaits its migration."""
        for _ in range(_TRIES):
            rank = bisect_right(self._weights, rng.random() * self._weights[-1], 0, self._size - 1)
            swap = market.trade(self._now.tokens[rank], rng, _WALLETS)
            if swap is not None:
                return swap
        return None

    def _trade(self, swap: Swap, rng: Random) -> Transaction:
        stamp = self._stamp(rng)
        number = swap.token.number
        if swap.venue is market.CURVE:
            return self._pump.trade(stamp, swap, self._pump_accounts(number))
        if swap.venue is market.POOL:
            return self._swap.trade(stamp, swap, self._pool_accounts(number))
        return self._dbc.trade(stamp, swap, self._dbc_accounts(number))

    def _stamp(self, rng: Random) -> Stamp:
        index = self._index
        self._index = index + 1
        return Stamp(next(self._signatures), self._slot, index, self._time, rng.getrandbits(20))

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
