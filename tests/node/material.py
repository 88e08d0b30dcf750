"""What blocks are filled with: the transactions of one slot after the other, from a simulation or from recordings."""

import time
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import TypeAlias

import msgspec

from app.errors import StartupError
from indexer.sources.simulate import SimulateSource
from node.landed import Landed, Writer
from node.recorded import read_recordings


class Filling(msgspec.Struct, frozen=True, gc=False):
    """The transactions of one slot, in order; `time` is the chain's clock, None where nothing tells it."""

    time: int | None
    landed: list[Landed]


Material: TypeAlias = AsyncIterator[Filling]


async def simulated(
    *,
    seed: int = 1,
    rate: float = 40.0,
    tokens: int = 50,
    count: int | None = None,
    started: int | None = None,
    version_1: bool = False,
) -> Material:
    """A simulated market, slot by slot (2.5 in a second of its time); `started` is its first second, now unless given.
    The same arguments with `started` give the same transactions."""
    began = int(time.time()) if started is None else started
    source = SimulateSource(seed=seed, rate=rate, tokens=tokens, count=count, started=began, paced=False)
    writer = Writer(version_1=version_1)
    slot, landed, block_time = None, [], began
    async for delivery in source.stream(None):
        for each in delivery.transactions:
            if each.slot != slot and slot is not None:
                yield Filling(block_time, landed)
                for _ in range(slot + 1, each.slot):  # in which nobody traded
                    yield Filling(block_time, [])
                landed = []
            slot, block_time = each.slot, each.block_time or block_time
            landed.append(writer.write(each))
    yield Filling(block_time, landed)


async def recorded(path: Path, *, per_slot: int = 10) -> Material:
    """Recordings in order: neighbours of one recorded slot share a block, others are laid out `per_slot` to a block.

    StartupError when the path does not exist or holds no transaction with its instructions.
    """
    if not path.exists():
        raise StartupError(f"there is no recording {path}")
    landed: list[Landed] = []
    slot, block_time, count = None, None, 0
    for each in read_recordings(path):
        count += 1
        if landed and each.slot != slot and len(landed) >= per_slot:
            yield Filling(block_time, landed)
            landed = []
        slot = each.slot
        block_time = each.time if each.time is not None else block_time
        landed.append(each.landed)
    if not count:
        raise StartupError(f"{path} holds no transaction with its instructions: logs and raw events make no block.")
    yield Filling(block_time, landed)


async def made_before(material: Material, slots: int) -> list[Filling]:
    """The first so many slots, made now: what serves them later has its time for that alone."""
    made: list[Filling] = []
    while len(made) < slots and (filling := await anext(material, None)) is not None:
        made.append(filling)
    return made


async def followed(made: Iterable[Filling], material: Material) -> Material:
    """What was made before, then what is made as it goes."""
    for each in made:
        yield each
    async for each in material:
        yield each


async def given(*fillings: list[Landed]) -> Material:
    """What a test writes itself, one list a slot."""
    for each in fillings:
        yield Filling(None, each)
