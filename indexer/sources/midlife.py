"""The source `accounts`: reads the accounts of tokens that were met in mid-life, once each, beside the others."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

from indexer.facts import Wanted, read_facts
from indexer.rpc.accounts import read_accounts
from indexer.rpc.pool import Pool
from indexer.sources import Delivery

_LOOK_SECONDS: Final = 1.0
_LOOK_SHARE: Final = 20
"""Looking through the store takes at most a twentieth of the time, however large it is."""
_REMEMBERED: Final = 100_000
"""Tokens whose accounts were read and said nothing more."""


class Open(NamedTuple):
    """A token that wants facts, by its number in the store."""

    token_id: int
    wanted: Wanted


NamesOpen: TypeAlias = Callable[[int | None], Awaitable[Sequence[Open]]]
"""Tokens without facts, newest first, some 30 at once; those with a smaller number than the given one only."""


class MidlifeSource:
    """Delivers facts of tokens whose launch was not indexed. Raises SourceLost when no node serves."""

    name = "accounts"
    is_simulated = False

    def __init__(self, pool: Pool, names_open: NamesOpen, *, look_seconds: float = _LOOK_SECONDS) -> None:
        self._pool = pool
        self._names_open = names_open
        self._look_seconds = look_seconds
        self._asked: dict[str, None] = {}

    async def stream(self, state: bytes | None) -> AsyncIterator[Delivery]:
        """Facts as tokens need them, without an end; there is nothing to resume."""
        async with self._pool:
            while True:
                started = time.monotonic()
                async for wanted in self._new():
                    facts = await read_facts(lambda addresses: read_accounts(self._pool, addresses), wanted)
                    self._note(wanted)
                    yield Delivery(facts=tuple(facts))
                took = time.monotonic() - started
                await asyncio.sleep(max(self._look_seconds, took * _LOOK_SHARE))

    async def _new(self) -> AsyncIterator[list[Wanted]]:
        """Goes through all open tokens once, and leaves out those that were asked before."""
        before: int | None = None
        while page := await self._names_open(before):
            before = page[-1].token_id
            if wanted := [each.wanted for each in page if each.wanted.mint not in self._asked]:
                yield wanted

    def _note(self, wanted: Sequence[Wanted]) -> None:
        self._asked.update(dict.fromkeys(each.mint for each in wanted))
        while len(self._asked) > _REMEMBERED:
            del self._asked[next(iter(self._asked))]
