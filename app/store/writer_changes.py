"""Tokens and venues of a batch into their tables: the whole row only where more changed than each trade moves."""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

import asyncpg
import msgspec

from app.store.writer_rows import (
    MOVED_TOKENS,
    MOVED_VENUES,
    TOKENS,
    VENUES,
    TokenMotion,
    TokenRow,
    VenueMotion,
    VenueRow,
)
from app.store.writer_states import TokenState

_STORE = (
    f"WITH moved_tokens AS ({MOVED_TOKENS.update(1)}), moved_venues AS ({MOVED_VENUES.update(2)}),"
    f" whole_tokens AS ({TOKENS.upsert(3)}) {VENUES.upsert(4)}"
)
"""One statement, because each costs a turn; a new venue's token may come with it."""
Values = Callable[[Any], tuple[Any, ...]]


def _at_rest(row: type[msgspec.Struct], motion: type[msgspec.Struct]) -> Values:
    return attrgetter(*(name for name in row.__struct_fields__ if name not in motion.__struct_fields__))


_token_at_rest, _venue_at_rest = _at_rest(TokenRow, TokenMotion), _at_rest(VenueRow, VenueMotion)
_token_motion: Values = attrgetter(*TokenMotion.__struct_fields__)
_venue_motion: Values = attrgetter(*VenueMotion.__struct_fields__)


def remember(state: TokenState) -> None:
    """Notes that the token and all its venues are stored as they are."""
    state.stored = {venue.address: _venue_at_rest(venue) for venue in state.venues.values()}
    state.stored[state.row.mint] = _token_at_rest(state.row)


def encode_changes(states: Iterable[TokenState]) -> tuple[str, str, str, str]:
    """Parameters of `store_changes`: these tokens, and those of their venues that the batch speaks of."""
    moved_tokens, moved_venues, tokens, venues = [], [], [], []
    for state in states:
        if _is_at_rest(state, state.row.mint, _token_at_rest(state.row)):
            moved_tokens.append(TokenMotion(*_token_motion(state.row)))
        else:
            tokens.append(state.row)
        for venue in [state.venues[address] for address in state.met]:
            if _is_at_rest(state, venue.address, _venue_at_rest(venue)):
                moved_venues.append(VenueMotion(*_venue_motion(venue)))
            else:
                venues.append(venue)
        state.met.clear()
    return (
        MOVED_TOKENS.encode(moved_tokens),
        MOVED_VENUES.encode(moved_venues),
        TOKENS.encode(tokens),
        VENUES.encode(venues),
    )


async def store_changes(connection: asyncpg.Connection, encoded: tuple[str, str, str, str]) -> None:
    """Part of the writer's transaction."""
    await connection.execute(_STORE, *encoded)


def _is_at_rest(state: TokenState, address: str, values: tuple[Any, ...]) -> bool:
    """Whether the row is stored with these values already; if not, they are noted as what will be."""
    if state.stored.get(address) == values:
        return True
    state.stored[address] = values
    return False
