"""A small chain as a tree of blocks: each has a parent, one branch is the chain, the others were abandoned."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from factories import (
    SLOT0,
    T0,
    address,
    balance,
    completion,
    launch,
    migration,
    pool_creation,
    pool_trade,
    signature,
    trade,
)
from forks import Story, moved

from app.domain.events import Completion, Event, Launch, Migration, PoolCreation, Trade
from app.domain.programs import Side, TradeProgram

SLOT_SECONDS = 20
MINTS = tuple(address(f"token {number}") for number in range(3))
UNSEEN_LAUNCH = MINTS[-1]


class Life(IntEnum):
    """How far a token is."""

    UNKNOWN = 0
    BONDING = 1
    COMPLETE = 2
    GRADUATED = 3


class Wish(IntEnum):
    """What a transaction shall be: a trade, two of them, or the next step in the token's life."""

    TRADE = 0
    TWO_TRADES = 1
    STEP = 2


@dataclass(frozen=True)
class Block:
    slot: int
    parent: int
    transactions: tuple[Story, ...]

    @property
    def story(self) -> Story:
        return [each for story in self.transactions for each in story]


@dataclass
class Tree:
    """Slots are never used twice; the branch that ends at `tip` is the chain."""

    tip: int = SLOT0
    finalized: int = SLOT0
    blocks: dict[int, Block] = field(default_factory=lambda: {SLOT0: Block(SLOT0, 0, ())})
    signed: int = 0

    def branch(self, tip: int) -> list[Block]:
        """From the first block to `tip`."""
        found: list[Block] = []
        while tip:
            found.append(self.blocks[tip])
            tip = self.blocks[tip].parent
        return found[::-1]

    @property
    def chain(self) -> list[Block]:
        return self.branch(self.tip)

    @property
    def open(self) -> list[Block]:
        """Of all branches that may still become the chain, above the finalized slot."""
        return [block for slot, block in sorted(self.blocks.items()) if slot > self.finalized and self._may_win(slot)]

    @property
    def rivals(self) -> list[int]:
        """Ends of the branches that may become the chain instead."""
        parents = {block.parent for block in self.blocks.values()}
        return [block.slot for block in self.open if block.slot not in parents and block.slot != self.tip]

    def _may_win(self, slot: int) -> bool:
        return any(block.slot == self.finalized for block in self.branch(slot))

    def extend(self, skipped: int, wishes: Iterable[tuple[int, Wish]]) -> None:
        self._grow(self.tip, skipped, (), wishes)

    def fork(self, depth: int, skipped: int, kept: int, wishes: Iterable[tuple[int, Wish]]) -> None:
        """The chain goes on from an older block; the bits of `kept` say which of the abandoned transactions come again
        in the new one."""
        chain = self.chain
        at = next(number for number, block in enumerate(chain) if block.slot == self.finalized)
        cut = max(at, len(chain) - 1 - depth)
        lost = [story for block in chain[cut + 1 :] for story in block.transactions]
        again = [story for number, story in enumerate(lost) if kept >> number & 1]
        self._grow(chain[cut].slot, skipped, again, wishes)

    def _grow(self, parent: int, skipped: int, again: Sequence[Story], wishes: Iterable[tuple[int, Wish]]) -> None:
        slot = next(each for each in range(parent + 1 + skipped, 2 * SLOT0) if each not in self.blocks)
        lives = dict.fromkeys(MINTS, Life.UNKNOWN) | {UNSEEN_LAUNCH: Life.BONDING}
        for event, _ in (each for block in self.branch(parent) for each in block.story):
            _live(lives, event)
        made: list[Story] = []
        for story in again:
            if _is_possible(lives, story[0][0]):
                seconds = (slot - story[0][0].slot) * SLOT_SECONDS
                made.append([moved(each, slot, len(made), seconds) for each in story])
                _live(lives, *(event for event, _ in story))
        for token, wish in wishes:
            events = list(self._events(lives, MINTS[token], wish, slot, len(made)))
            made.append([(event, _held(event, self.signed)) for event in events])
            _live(lives, *events)
        self.blocks[slot], self.tip = Block(slot, parent, tuple(made)), slot

    def _events(self, lives: dict[str, Life], mint: str, wish: Wish, slot: int, index: int) -> Iterator[Event]:
        self.signed += 1
        number = self.signed
        place: dict[str, Any] = {
            "mint": mint,
            "signature": signature(f"signed {number}"),
            "slot": slot,
            "transaction_index": index,
            "block_time": T0 + (slot - SLOT0) * SLOT_SECONDS,
        }
        match lives[mint]:
            case Life.UNKNOWN:
                yield launch(**place)
            case Life.BONDING if wish is Wish.STEP:
                yield completion(**place)
            case Life.COMPLETE:
                yield migration(**place)
                yield pool_creation(**place, event_index=1)
            case life:
                make = trade if life is Life.BONDING else pool_trade
                for each in range(2 if wish is Wish.TWO_TRADES else 1):
                    yield make(
                        **place,
                        ordinal=each,
                        event_index=each,
                        side=Side.SELL if number % 3 == 2 else Side.BUY,
                        trader=address(f"trader {number % 4}"),
                        base_amount=10**9 + number * 10 + each,
                        quote_amount=10**8 * (1 + number % 7) + each,
                        virtual_quote_reserves=3 * 10**10 + number * 7919 % 101 * 10**8 + each,
                        creator=address("creator told by trades") if number % 5 == 0 else None,
                    )


def _live(lives: dict[str, Life], *events: Event) -> None:
    for event in events:
        match event:
            case Launch():
                lives[event.mint] = Life.BONDING
            case Completion():
                lives[event.mint] = Life.COMPLETE
            case Migration():
                lives[event.mint] = Life.GRADUATED


def _is_possible(lives: dict[str, Life], event: Event) -> bool:
    match event:
        case Launch():
            return lives[event.mint] is Life.UNKNOWN
        case Trade() if event.venue_kind is TradeProgram.AMM_POOL:
            return lives[event.mint] is Life.GRADUATED
        case Migration() | PoolCreation():
            return lives[event.mint] is Life.COMPLETE
        case _:
            return lives[event.mint] is Life.BONDING


def _held(event: Event, number: int) -> list[Any]:
    if not isinstance(event, Trade):
        return []
    return [
        balance(event, event.trader, number % 3 * (10**6 + number)),
        balance(event, event.venue, 10**13 + number),
    ]
