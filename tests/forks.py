"""Chains that fork: a trunk, a branch that is abandoned, and the branch that stays, over the same few tokens."""

import random
from dataclasses import dataclass
from typing import Any

import msgspec
from factories import SLOT0, T0, address, balance, market, signature, trade

from app.domain.events import Event, Trade
from app.domain.programs import Side
from app.store.writer_accounts import Balance
from app.store.writer_batch import Work

Story = list[tuple[Event, list[Balance]]]


@dataclass(frozen=True)
class Forked:
    """Everything up to `cut` is on both branches."""

    cut: int
    trunk: Story
    gone: Story
    stays: Story

    @property
    def retracted(self) -> list[int]:
        return sorted({event.slot for event, _ in self.gone})


def forked(seed: int, depth: int, length: int = 150) -> Forked:
    """The branches differ from `cut` on, `depth` slots before the end; what stays holds some of the transactions of
    what is gone, in other slots and at other times, and some of its own."""
    dice = random.Random(f"fork {seed}")
    story = market(seed, length)
    cut = story[-1][0].slot - depth
    gone = [each for each in story if each[0].slot > cut]
    return Forked(cut, [each for each in story if each[0].slot <= cut], gone, _other(dice, gone, cut))


def _other(dice: random.Random, gone: Story, cut: int) -> Story:
    stays: Story = []
    for number, (event, held) in enumerate(gone):
        choice = dice.random()
        if choice < 0.5:
            stays.append(moved((event, held), cut + 1 + dice.randrange(40), number % 5, dice.randrange(-5, 40)))
        elif choice < 0.75:
            stays.append(_new(dice, event, number, cut))
    return stays


def moved(each: tuple[Event, list[Balance]], slot: int, index: int, seconds: int) -> tuple[Event, list[Balance]]:
    """The same transaction in another block."""
    event, held = each
    changed: Any = msgspec.structs.replace(
        event, slot=slot, transaction_index=index, block_time=event.block_time + seconds
    )
    return changed, [balance(changed, one.held.owner, one.held.amount, one.held.account) for one in held]


def _new(dice: random.Random, like: Event, number: int, cut: int) -> tuple[Event, list[Balance]]:
    event = trade(
        mint=like.mint,
        signature=signature(f"new branch {like.signature} {number}"),
        slot=cut + 1 + dice.randrange(40),
        transaction_index=5 + number % 3,
        block_time=like.block_time + dice.randrange(-5, 40),
        side=dice.choice(list(Side)),
        trader=address(f"trader {dice.randrange(9)}"),
        quote_amount=dice.randrange(1, 10**10),
        virtual_quote_reserves=dice.randrange(3 * 10**10, 10**11),
    )
    return event, [balance(event, event.trader, dice.choice([0, 7, 10**12]))]


def works(story: Story, size: int, **more: Any) -> list[Work]:
    """The story in batches; the first one says more."""
    parts = [story[start : start + size] for start in range(0, len(story), size)] or [[]]
    made = [
        Work(events=[event for event, _ in part], balances=[each for _, held in part for each in held])
        for part in parts
    ]
    for name, value in more.items():
        setattr(made[0], name, value)
    return made


def trades_of(story: Story) -> set[bytes]:
    return {event.identity for event, _ in story if isinstance(event, Trade)}


def busy(slots: int, a_slot: int) -> Story:
    """Trades of 300 tokens by 3,000 traders, so many a slot from SLOT0 on."""
    dice = random.Random(1)
    story: Story = []
    for slot in range(slots):
        for index in range(a_slot):
            event = trade(
                mint=address(f"busy {dice.randrange(300)}"),
                trader=address(f"trader {dice.randrange(3_000)}"),
                slot=SLOT0 + slot,
                transaction_index=index,
                block_time=T0 + slot * 2 // 5,
                virtual_quote_reserves=dice.randrange(3 * 10**10, 10**11),
            )
            held = [balance(event, event.trader, dice.randrange(10**9)), balance(event, event.venue, 10**14)]
            story.append((event, held))
    return story
