"""A Solana chain for tests and development: blocks, skipped slots, forks and commitments over given transactions.

It moves only when told (`advance`, `run`), everything follows from its seed, and it knows what is true (`truth`). Long,
because what changes a chain (growing, skipping, forking) shares its state.
"""

import asyncio
import time
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from hashlib import blake2b
from random import Random
from typing import Final

from app.domain.programs import Commitment
from indexer import base58
from node import foreign
from node.blocks import Block, address_of
from node.landed import Landed
from node.material import Filling, Material

SLOTS_PER_SECOND: Final = 2.5
"""Mainnet's."""
FIRST_SLOT: Final = 460_000_000
FINALITY: Final = 31
"""Blocks on top of a finalized one."""


class Step(Enum):
    """What happened to a block."""

    PROCESSED = 1
    CONFIRMED = 2
    FINALIZED = 3
    RETRACTED = 4
    """A fork took it out of the chain."""


class Fate(Enum):
    """What a fork does to a transaction of a block that it replaces."""

    STAYS = 1
    """It is in the block that takes the place of its own."""
    MOVES = 2
    """It lands in a later block."""
    GOES = 3
    """It never happened."""


Listener = Callable[[Step, Block], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """What a chain has besides what it is given. On mainnet: failed 0.76, foreign 1,000, skipped 0.03."""

    seed: int = 1
    failed_share: float = 0.3
    """Of the transactions that mention our programs."""
    foreign: int = 4
    """Of other programs, in each block; half of them votes."""
    skipped_share: float = 0.05
    """Of slots."""


class Chain:
    """A chain over `material`. It remembers all blocks (then `truth` is whole), or about `keep` of them, or
    `keep_bytes` of their JSON; never fewer than a fork may reach."""

    def __init__(
        self,
        material: Material,
        mix: Mix | None = None,
        *,
        first_slot: int = FIRST_SLOT,
        keep: int | None = None,
        keep_bytes: int | None = None,
    ) -> None:
        self.mix = mix or Mix()
        self.genesis_hash = address_of(b"genesis of %d" % self.mix.seed)
        self.slot = first_slot - 1
        """The newest slot, with a block or not."""
        self.is_exhausted = False
        """Whether the material has ended; blocks go on, with foreign transactions only."""
        self.script: dict[int, Callable[[Chain], None]] = {}
        """Called once its slot has passed: `chain.script[slot] = lambda chain: chain.fork(5)`."""
        self._material = material
        self._keep, self._keep_bytes = keep, keep_bytes
        self._bytes = 0
        self._blocks: dict[int, Block] = {}
        self._slots: list[int] = []
        self._places: dict[str, tuple[int, int]] = {}
        self._confirmed = self._finalized = -1
        self._skip = 0
        self._pad: deque[int] = deque()
        self._signed = self._forks = 0
        self._last_given = first_slot - 1
        self._listeners: list[Listener] = []

    # ------------------------------------------------------------ reading

    def tip(self, commitment: Commitment = Commitment.CONFIRMED, *, behind: int = 0) -> int:
        """The newest slot with a block of that commitment, as a node sees it that is so many blocks behind; one before
        the first where there is none yet."""
        marks = {
            Commitment.PROCESSED: len(self._slots) - 1,
            Commitment.CONFIRMED: self._confirmed,
            Commitment.FINALIZED: self._finalized,
        }
        mark = marks[commitment] - behind
        return self._slots[mark] if mark >= 0 else self.first_slot - 1

    @property
    def first_slot(self) -> int:
        """Of the oldest block that is remembered."""
        return self._slots[0] if self._slots else self.slot + 1

    def block(self, slot: int) -> Block | None:
        """The block of a slot on the present fork; None where it was skipped or is not there yet."""
        return self._blocks.get(slot)

    def blocks(self, first: int, last: int) -> Iterator[Block]:
        """The blocks from slot `first` to `last`, both included."""
        for slot in self._slots[bisect_left(self._slots, first) : bisect_right(self._slots, last)]:
            yield self._blocks[slot]

    def find(self, signature: str) -> tuple[Block, int] | None:
        """The block of a transaction and its index there."""
        place = self._places.get(signature)
        return None if place is None else (self._blocks[place[0]], place[1])

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tells `listener` each step of each block from now on; call what is returned to end that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # ------------------------------------------------------------ moving

    async def advance(self, slots: int = 1) -> None:
        """The next slots, at once."""
        for _ in range(slots):
            await self._advance()
            action = self.script.pop(self.slot, None)
            if action is not None:
                action(self)

    async def run(self, speed: float = 1.0, *, until_exhausted: bool = False) -> None:
        """Slots at mainnet's pace times `speed`, until cancelled (or until the material has ended and is finalized)."""
        pause, due = 1 / (SLOTS_PER_SECOND * speed), time.monotonic()
        while not (until_exhausted and self.is_exhausted and self.tip(Commitment.FINALIZED) >= self._last_given):
            await self.advance()
            due += pause
            # Behind its time it still lets others run between two slots.
            await asyncio.sleep(max(due - time.monotonic(), 0))

    def skip(self, slots: int = 1) -> None:
        """The next slots get no block."""
        self._skip += slots

    def pad(self, blocks: int = 1, transactions: int = 2_000) -> None:
        """The next blocks are huge: filled up to so many transactions, some 7 MB of JSON at 2,000."""
        self._pad.extend([transactions] * blocks)

    def fork(self, depth: int, fate: Callable[[Landed], Fate] | None = None, *, skipped_share: float = 0.3) -> None:
        """Replaces the last `depth` blocks by others, which may skip slots of theirs; the newest slot keeps a block.

        Without `fate` half of the transactions stay, three of ten move and the others are gone.
        """
        replaced = [self._blocks[slot] for slot in self._slots[-depth:]]
        self._forks += 1
        rng = Random(f"{self.mix.seed} fork {self._forks} {self.slot}")
        for block in reversed(replaced):
            self._retract(block)
        moved: list[Landed] = []
        decide = fate or (lambda landed: rng.choices(list(Fate), (0.5, 0.3, 0.2))[0])
        for block in replaced:
            is_last = block is replaced[-1]
            fates = [(each, decide(each)) for each in block.transactions]
            stays = [each for each, found in fates if found is Fate.STAYS]
            later = [each for each, found in fates if found is Fate.MOVES]
            if not is_last and rng.random() < skipped_share:
                moved += stays + later
            else:
                self._append(block.slot, block.time, [*moved, *stays, *(later if is_last else [])])
                moved = later
        self._raise_marks()

    async def _advance(self) -> None:
        self.slot += 1
        rng = Random(f"{self.mix.seed} slot {self.slot}")
        if self._skip or (self._slots and rng.random() < self.mix.skipped_share):
            self._skip = max(self._skip - 1, 0)
            return
        filling = await self._filling()
        self._last_given = self._last_given if self.is_exhausted else self.slot
        landed = self._mixed(filling.landed, rng)
        self._append(self.slot, self._time_of(filling), landed)
        self._raise_marks()
        self._forget()

    async def _filling(self) -> Filling:
        if not self.is_exhausted:
            try:
                return await anext(self._material)
            except StopAsyncIteration:
                self.is_exhausted = True
        return Filling(None, [])

    def _time_of(self, filling: Filling) -> int:
        if filling.time is not None:
            return filling.time
        if not self._slots:
            return int(time.time())
        newest = self._blocks[self._slots[-1]]
        return newest.time + (self.slot % 5 in (0, 2))  # two seconds in five slots

    def _mixed(self, landed: list[Landed], rng: Random) -> list[Landed]:
        share = self.mix.failed_share
        out: list[Landed] = []
        for each in landed:
            out.append(each)
            while each.error is None and rng.random() < share:
                out.append(each.failed_twin(self._signature()))
        wanted = self._pad.popleft() - len(out) if self._pad else self.mix.foreign
        for number in range(wanted):
            other = foreign.swap() if number % 2 else foreign.vote()
            out.insert(rng.randint(0, len(out)), other.foreign_twin(self._signature()))
        return out

    def _signature(self) -> str:
        self._signed += 1
        text = f"{self.mix.seed} signature {self._signed}".encode()
        # The first byte is never small: every signature then has the same length as the one that it replaces.
        return base58.encode(b"\x80" + blake2b(text, digest_size=63).digest())

    # ------------------------------------------------------------ state

    def _append(self, slot: int, block_time: int, landed: list[Landed]) -> None:
        parent = self._blocks[self._slots[-1]] if self._slots else None
        key = b"%d/%d" % (self.mix.seed, self._forks)
        block = Block(slot, parent, block_time, tuple(landed), key)
        self._blocks[slot] = block
        self._bytes += block.size
        self._slots.append(slot)
        self._places.update((each.signature, (slot, at)) for at, each in enumerate(landed))
        self._tell(Step.PROCESSED, block)

    def _retract(self, block: Block) -> None:
        self._slots.pop()
        del self._blocks[block.slot]
        self._bytes -= block.size
        for each in block.transactions:
            self._places.pop(each.signature, None)
        self._confirmed = min(self._confirmed, len(self._slots) - 1)
        self._finalized = min(self._finalized, len(self._slots) - 1)
        self._tell(Step.RETRACTED, block)

    def _raise_marks(self) -> None:
        """Confirmed is one or two blocks behind, finalized 31."""
        while self._confirmed < len(self._slots) - 2 - self.slot % 2:
            self._confirmed += 1
            self._tell(Step.CONFIRMED, self._blocks[self._slots[self._confirmed]])
        while self._finalized < len(self._slots) - 1 - FINALITY:
            self._finalized += 1
            self._tell(Step.FINALIZED, self._blocks[self._slots[self._finalized]])

    def _forget(self) -> None:
        while len(self._slots) > FINALITY + 2 and self._has_too_much():
            old = self._blocks.pop(self._slots.pop(0))
            self._bytes -= old.size
            for each in old.transactions:
                self._places.pop(each.signature, None)
            self._confirmed -= 1
            self._finalized -= 1

    def _has_too_much(self) -> bool:
        if self._keep is not None and len(self._slots) > self._keep + FINALITY:
            return True
        return self._keep_bytes is not None and self._bytes > self._keep_bytes

    def _tell(self, step: Step, block: Block) -> None:
        for listener in tuple(self._listeners):
            listener(step, block)
