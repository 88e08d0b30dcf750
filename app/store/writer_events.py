"""The events of one batch on their way into the tables, and into the states that follow from them."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias, TypeVar

import asyncpg

from app.domain.events import Completion, Event, Launch, Migration, PoolCreation, Trade
from app.domain.facts import TokenFacts
from app.domain.money import multiply
from app.domain.records import GraduationRecord, Milestone, TokenRecord, TradeRecord
from app.store.writer_accounts import (
    AccountBook,
    Balance,
    Given,
    change_balances,
    load_given,
    newest_given,
    store_balances,
)
from app.store.writer_candles import encode_candles, fold_minutes, store_candles
from app.store.writer_changes import encode_changes, store_changes
from app.store.writer_facts import fill
from app.store.writer_firsts import note_firsts
from app.store.writer_journal import Journal
from app.store.writer_milestones import milestone, store_milestones
from app.store.writer_notes import note_balances, note_tokens
from app.store.writer_rates import RateBook
from app.store.writer_records import graduation_record, token_record, trade_record
from app.store.writer_rows import GRADUATIONS, AccountRow, ChainKey, GraduationRow
from app.store.writer_states import (
    TokenState,
    apply,
    confirm,
    market_cap_at_graduation,
    note_extremes,
    settle,
)
from app.store.writer_trades import Arrived, NewTrade, copy_trades, raise_commitments, signature_bytes, stored_among
from app.store.writer_world import World

Answer = TypeVar("Answer")
Computed = TypeVar("Computed")
_Met: TypeAlias = tuple[Event, ChainKey, TokenState]


@dataclass(slots=True)
class Books:
    """What the writer has in memory."""

    world: World
    accounts: AccountBook
    rates: RateBook
    journal: Journal


class OneBatch:
    """The events of one batch on their way through."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        books: Books,
        sequence: int,
        settled_slot: int | None,
    ) -> None:
        self.sequence = sequence
        self.taken = 0
        self.records: list[TradeRecord] = []
        self.launches: list[int] = []
        self.confirmed: list[int] = []
        self.milestones: list[Milestone] = []
        self._connection = connection
        self._world = books.world
        self._accounts = books.accounts
        self._rates = books.rates
        self._journal = books.journal
        self._first = sequence
        self._settled_slot = settled_slot
        self._graduations: list[tuple[GraduationRow, str, TokenState]] = []
        self._indexed_at = datetime.now(UTC)
        self._trades: list[tuple[NewTrade, TokenState]] = []
        self._firsts: set[bytes] = set()

    async def store_events(self, arrived: Sequence[Arrived], balances: Sequence[Balance]) -> list[AccountRow]:
        """Stores the trades that are new with their candles, and takes every new fact into the states; returns the
        balances that changed, not yet stored."""
        note_tokens(self._journal, self._world, arrived)
        met = [(event, key, self._world.meet(event, key)) for event, key, _ in arrived]
        trades = {trade.key: trade for _, _, trade in arrived if trade is not None}
        self._place(met, trades)
        new = [each for each in met if isinstance(each[0], Trade) or self._is_new(*each)]
        new, candles = await self._copy(new, trades)
        self._confirm(met, new)
        if self._journal.notes_events:
            for event, key, _ in new:
                self._journal.note_event(event, key, trades[key].quote_usd if key in trades else None)
        self._trades = [(trades[key], state) for _, key, state in new if key in trades]
        self.taken = len(new)
        self.milestones = [made for event, _, state in new if (made := milestone(event, state)) is not None]
        firsts = self._world.firsts.candidates(trade for trade, _ in self._trades)
        self._firsts, rows = await beside(
            note_firsts(self._connection, firsts), lambda: newest_given(self._world, balances)
        )
        given = await load_given(self._connection, self._world, self._accounts, rows)
        note_balances(self._journal, self._world, self._accounts, balances)
        _, changed = await beside(store_candles(self._connection, candles), lambda: self._change_all(new, given))
        return changed

    def fill(self, facts: Iterable[TokenFacts]) -> None:
        """Takes what accounts say of tokens that are stored."""
        for each in facts:
            if (state := self._world.token(each.mint)) is not None:
                fill(state, each)
                self._world.touched[each.mint] = state

    async def store_states(self, balances: Sequence[AccountRow]) -> tuple[TokenRecord, ...]:
        """Stores the changed balances and every touched token as it is now, and makes the records."""
        states = sorted(self._world.touched.values(), key=lambda state: state.row.id)
        _, changes = await beside(store_balances(self._connection, balances), lambda: self._settle_all(states))
        _, records = await beside(store_changes(self._connection, changes), lambda: self._record_all(states))
        await self._journal.store(self._connection)
        await store_milestones(self._connection, self.milestones, self.confirmed)
        if graduations := [row for state in states for row in state.graduations.values()]:
            await self._connection.execute(GRADUATIONS.upsert(), GRADUATIONS.encode(graduations))
        return records

    def graduation_records(self) -> list[GraduationRecord]:
        return [graduation_record(*each, self._settled_slot) for each in self._graduations]

    async def _copy(self, new: list[_Met], trades: dict[ChainKey, NewTrade]) -> tuple[list[_Met], str]:
        """Stores the trades; returns the events without those that were stored already, and the encoded candles.

        Duplicates are rare on a live chain, so that looking for them first would cost every batch a join.
        """
        self._number(new, trades)
        given = list(trades.values())
        if not given:
            return new, ""
        try:
            async with self._connection.transaction():
                _, candles = await beside(self._copy_in(given), lambda: encode_candles(fold_minutes(given)))
            return new, candles
        except asyncpg.UniqueViolationError:
            known = await stored_among(self._connection, given)
        again = [trade for trade in given if trade.event.commitment > known.get(trade.key[2], trade.event.commitment)]
        self.confirmed += await raise_commitments(self._connection, again)
        new = [(event, key, state) for event, key, state in new if key not in trades or key[2] not in known]
        self._number(new, trades)
        rest = [trade for trade in given if trade.key[2] not in known]
        if rest:
            await self._copy_in(rest)
        return new, encode_candles(fold_minutes(rest))

    def _confirm(self, met: Sequence[_Met], new: Sequence[_Met]) -> None:
        """Of events that were stored already: what they say again may be more certain now."""
        if len(new) < len(met):
            fresh = {key[2] for _, key, _ in new}
            for event, key, state in met:
                if key[2] not in fresh:
                    self.confirmed += confirm(state, event, key)
                    self._journal.confirm_event(event, key)

    async def _copy_in(self, trades: list[NewTrade]) -> None:
        await copy_trades(self._connection, trades, self._indexed_at)

    def _number(self, new: list[_Met], trades: dict[ChainKey, NewTrade]) -> None:
        """Gives sequences in order of arrival, dense over all kinds but pool creations, which no stream delivers."""
        sequence = self._first
        self.launches = []
        for event, key, state in new:
            if isinstance(event, PoolCreation):
                continue
            sequence += 1
            match event:
                case Trade():
                    trades[key].sequence = sequence
                case Launch():
                    state.row.launch_sequence = sequence
                    self.launches.append(sequence)
                case Completion():
                    state.row.completed_sequence = sequence
                case Migration():
                    state.graduations[key[2]].sequence = sequence
        self.sequence = sequence

    def _is_new(self, event: Event, key: ChainKey, state: TokenState) -> bool:
        """Whether a launch, completion or migration was not stored before; a new one is noted at once."""
        match event:
            case Launch():
                is_new = state.row.launch_signature is None
                if is_new:
                    state.row.launch_signature = signature_bytes(event.signature)
                return is_new
            case Completion():
                is_new = state.row.completed_sequence is None
                state.row.completed_sequence = state.row.completed_sequence or -1
                return is_new
            case Migration():
                return self._note_graduation(event, key, state)
            case _:
                return True

    def _note_graduation(self, event: Migration, key: ChainKey, state: TokenState) -> bool:
        if key[2] in state.graduations:
            return False
        row = GraduationRow(
            identity=key[2],
            block_time=key[0],
            position=key[1],
            sequence=0,
            token_id=state.row.id,
            signature=signature_bytes(event.signature),
            ordinal=event.ordinal,
            commitment=event.commitment,
            from_protocol=event.program,
            to_protocol=event.to_program,
            venue_id=state.venues[event.pool].id,
            base_amount=event.base_amount,
            quote_amount=event.quote_amount,
        )
        state.graduations[key[2]] = row
        self._graduations.append((row, event.signature, state))
        return True

    def _price_graduation(self, graduation: GraduationRow, state: TokenState) -> None:
        rate = self._rates.at(state.row.quote_mint, graduation.block_time)
        if rate is not None or graduation.market_cap_usd is None:
            graduation.market_cap_usd = market_cap_at_graduation(state, rate)

    def _place(self, met: Iterable[_Met], trades: dict[ChainKey, NewTrade]) -> None:
        """Tells the trades who and where they are in the store, and the rate of their time."""
        for _, key, state in met:
            if (trade := trades.get(key)) is not None:
                event = trade.event
                trade.token_id, trade.venue_id = state.row.id, state.venues[event.venue].id
                trade.trader_id = self._world.wallet(event.trader)
                trade.quote_usd = self._rates.at(event.quote_mint, event.block_time)

    def _change_all(self, events: Iterable[_Met], balances: Given) -> list[AccountRow]:
        """Takes events and balances into the states; returns the balances that changed."""
        for event, key, state in events:
            apply(state, event, key)
        for trade, state in self._trades:
            if trade.spot is not None and trade.quote_usd is not None:
                note_extremes(state.row, multiply(trade.spot, trade.quote_usd), trade.key[0])
        return change_balances(self._world, self._accounts, balances)

    def _settle_all(self, states: Iterable[TokenState]) -> tuple[str, str, str, str]:
        for state in states:
            settle(state)
            for graduation in state.graduations.values():
                self._price_graduation(graduation, state)
        return encode_changes(states)

    def _record_all(self, states: Iterable[TokenState]) -> tuple[TokenRecord, ...]:
        self.records = [
            trade_record(trade, state.row, trade.key[2] in self._firsts, self._indexed_at, self._settled_slot)
            for trade, state in self._trades
        ]
        return tuple(token_record(state, self._settled_slot) for state in states)


async def beside(query: Coroutine[Any, Any, Answer], compute: Callable[[], Computed]) -> tuple[Answer, Computed]:
    """Sends a query, computes while the database works on it, and waits for the answer."""
    task = asyncio.ensure_future(query)
    try:
        await asyncio.sleep(0)  # lets the task send
        computed = compute()
    except BaseException:
        await asyncio.gather(task, return_exceptions=True)  # what it raised comes second, and is not reported as unseen
        raise
    return await task, computed
