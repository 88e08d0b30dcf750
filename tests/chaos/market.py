"""The chain that all scenarios run on: quiet slots to begin in, then a simulated market until it is told to end."""

import asyncio
from random import Random

from chaos.poison import poisoned

from node.chain import Chain, Mix
from node.landed import Landed
from node.material import Filling, Material, simulated

STARTED = 1_790_000_000
QUIET_SLOTS = 8
"""Slots without a trade, in which an indexer may find the tip."""


class Market:
    """A chain that moves by itself from `start` on, and ends with everything finalized.

    `poison` is the share of transactions that a spoilt one goes with.
    """

    def __init__(self, seed: int, *, rate: float, speed: float, poison: float = 0.0) -> None:
        self._is_over = False
        self._seed, self._rate, self._speed = seed, rate, speed
        self._poison, self._dice = poison, Random(seed)
        self._moving: asyncio.Task[None] | None = None
        self.chain = Chain(self._material(), Mix(seed=seed))

    def start(self) -> None:
        """Slots come from now on."""
        self._moving = asyncio.create_task(self.chain.run(self._speed))

    async def stop(self) -> None:
        """No slot comes any more, where it stands."""
        if self._moving is not None:
            self._moving.cancel()
            await asyncio.gather(self._moving, return_exceptions=True)
            self._moving = None

    async def end(self) -> None:
        """The last trade, and as many slots after it as finality needs."""
        await self.stop()
        self._is_over = True
        while not self.chain.is_exhausted:
            await self.chain.advance()
        await self.chain.advance(60)

    async def _material(self) -> Material:
        for number in range(QUIET_SLOTS):
            yield Filling(STARTED - QUIET_SLOTS + number, [])
        async for filling in simulated(seed=self._seed, rate=self._rate, tokens=20, started=STARTED):
            if self._is_over:
                return
            yield Filling(filling.time, [each for landed in filling.landed for each in self._mixed(landed)])

    def _mixed(self, landed: Landed) -> list[Landed]:
        return poisoned(landed, self._dice) if self._dice.random() < self._poison else [landed]
