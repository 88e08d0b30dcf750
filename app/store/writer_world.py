"""The tokens, venues and wallets that the writer knows: its memory of rows, filled from the store on a miss.

Being the only writer, what it holds is what is stored. Nothing in here survives a failed transaction: the writer
forgets all of it and reads again.
"""

from collections.abc import Iterable
from typing import Any

import asyncpg

from app.domain.events import Event
from app.store.writer_changes import remember
from app.store.writer_firsts import Firsts
from app.store.writer_rows import GRADUATIONS, TOKENS, VENUES, ChainKey, Rows, VenueRow
from app.store.writer_states import TokenState, new_token, new_venue, note_venue, venues_of

_TOKENS_KEPT = 20_000
_WALLETS_KEPT = 400_000


class World:
    """Ids and states by address. `touched` and `new_venues` collect what the running batch changed."""

    def __init__(self) -> None:
        self._tokens: dict[str, TokenState] = {}
        self._wallets: dict[str, int] = {}
        self._last_ids = {"tokens": 0, "venues": 0, "wallets": 0}
        self.touched: dict[str, TokenState] = {}
        self.new_venues: list[VenueRow] = []
        self.firsts = Firsts()

    async def forget(self, connection: asyncpg.Connection) -> None:
        """Starts again from what is stored."""
        self._tokens.clear()
        self._wallets.clear()
        self.firsts.forget()
        for table in self._last_ids:
            self._last_ids[table] = await connection.fetchval(f"SELECT coalesce(max(id), 0) FROM {table}")

    def begin(self) -> None:
        """Begins a batch."""
        self.touched, self.new_venues = {}, []
        _shrink(self._tokens, _TOKENS_KEPT)
        _shrink(self._wallets, _WALLETS_KEPT)

    async def load(self, connection: asyncpg.Connection, mints: Iterable[str]) -> None:
        """Makes sure that every stored token of `mints` is in memory."""
        missing = [mint for mint in mints if mint not in self._tokens]
        if not missing:
            return
        found = TOKENS.decode(
            await connection.fetchval(f"SELECT {TOKENS.as_array} FROM tokens WHERE mint = ANY($1)", missing)
        )
        by_id = {row.id: TokenState(row) for row in found}
        if by_id:
            for venue in VENUES.decode(await connection.fetchval(_of_tokens(VENUES), list(by_id))):
                by_id[venue.token_id].venues[venue.address] = venue
            for graduation in GRADUATIONS.decode(await connection.fetchval(_of_tokens(GRADUATIONS), list(by_id))):
                by_id[graduation.token_id].graduations[graduation.identity] = graduation
        for state in by_id.values():
            remember(state)
            self._tokens[state.row.mint] = state

    def token(self, mint: str) -> TokenState | None:
        return self._tokens.get(mint)

    def replace(self, mint: str, state: TokenState | None) -> None:
        """Puts a token in the place of the one that is known: all of it will be stored. None: it is stored no more."""
        if state is None:
            self._tokens.pop(mint, None)
            self.touched.pop(mint, None)
            return
        self._tokens[mint] = self.touched[mint] = state
        state.met, state.stored = set(state.venues), {}

    def meet(self, event: Event, key: ChainKey) -> TokenState:
        """The token of an event with the venues that it speaks of, made where they are new."""
        state = self._tokens.get(event.mint)
        if state is None:
            state = self._tokens[event.mint] = TokenState(new_token(self._next_id("tokens"), event))
        self.touched[event.mint] = state
        for address, protocol, kind in venues_of(event):
            state.met.add(address)
            venue = state.venues.get(address)
            if venue is None:
                venue = new_venue(self._next_id("venues"), state.row.id, address, protocol, kind, event, key)
                state.venues[address] = venue
                self.new_venues.append(venue)
            note_venue(venue, event, key)
        return state

    async def learn_wallets(self, connection: asyncpg.Connection, addresses: Iterable[str]) -> None:
        """Gives every address an id; new ones are stored."""
        missing = [address for address in set(addresses) if address not in self._wallets]
        if not missing:
            return
        await self._look_up(connection, missing)
        fresh = sorted(address for address in missing if address not in self._wallets)
        rows = [(self._next_id("wallets"), address) for address in fresh]
        if rows:
            await connection.copy_records_to_table("wallets", records=rows, columns=("id", "address"))
        self._wallets.update({address: number for number, address in rows})

    async def find_wallets(self, connection: asyncpg.Connection, addresses: list[str]) -> dict[str, int]:
        """Ids of those addresses that have one."""
        await self._look_up(connection, [address for address in addresses if address not in self._wallets])
        return {address: self._wallets[address] for address in addresses if address in self._wallets}

    def wallet(self, address: str) -> int:
        return self._wallets[address]

    async def _look_up(self, connection: asyncpg.Connection, addresses: list[str]) -> None:
        if addresses:
            rows = await connection.fetch("SELECT id, address FROM wallets WHERE address = ANY($1)", addresses)
            self._wallets.update({row["address"]: row["id"] for row in rows})

    def _next_id(self, table: str) -> int:
        self._last_ids[table] += 1
        return self._last_ids[table]


def _of_tokens(rows: Rows[Any]) -> str:
    return f"SELECT {rows.as_array} FROM {rows.table.name} WHERE token_id = ANY($1)"


def _shrink(held: dict[str, Any], limit: int) -> None:
    """Lets go of the tenth that was read first, when there are too many."""
    if len(held) > limit:
        for key in list(held)[: limit // 10]:
            del held[key]
