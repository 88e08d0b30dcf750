"""A local chain for people: what `curvecast node` serves."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from random import Random
from typing import Final

from app.domain.programs import Commitment
from app.errors import InvalidInput, StartupError
from node.chain import FINALITY, SLOTS_PER_SECOND, Chain, Mix
from node.material import Filling, Material, followed, made_before, recorded, simulated
from node.serving import serve_node
from node.streams import Info
from node.yellowstone import REMEMBERED, serve_geyser, written_once

_PAST: Final = FINALITY + 5
"""Slots that are there at the start, so that something is finalized."""
_MAX_FORK: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """What the command line says of the chain."""

    recording: Path | None = None
    """Simulated where there is none."""
    rate: float = 40.0
    """Simulated trades in a second of the chain's time."""
    tokens: int = 50
    seed: int = 1
    speed: float = 1.0
    """Times mainnet's 2.5 slots a second."""
    failed: float = 0.3
    """Share of transactions that failed."""
    skipped: float = 0.03
    """Share of slots without a block."""
    fork_every: int | None = None
    """Slots between forks of 1 to 5 blocks."""
    prepare: float = 0.0
    """Seconds of the chain's time that are made before it is served: a busy one then costs little while it is read."""
    keep: int = 128
    """Megabytes of blocks that are remembered: some seven minutes of 40 trades a second. The process takes about three
    times as much."""
    host: str = "127.0.0.1"
    port: int = 8899
    geyser_port: int | None = None


@dataclass(frozen=True, slots=True)
class LocalChain:
    """A chain that is being served."""

    chain: Chain
    addresses: tuple[str, ...]
    """For people: where it answers."""
    moving: "asyncio.Task[None]"
    """Ends only with an error."""


@asynccontextmanager
async def serve_local(options: LocalOptions) -> AsyncIterator[LocalChain]:
    """Serves while the block runs. StartupError for what cannot be served, or where the port is taken."""
    _check(options)
    mix = Mix(seed=options.seed, failed_share=options.failed, skipped_share=options.skipped)
    material = _material(options)
    made = await made_before(material, _PAST + ceil(options.prepare * SLOTS_PER_SECOND))
    chain = Chain(followed(made, material), mix, keep_bytes=options.keep << 20)
    await chain.advance(_PAST)
    async with AsyncExitStack() as stack:
        try:
            node = await stack.enter_async_context(serve_node(chain, host=options.host, port=options.port))
        except OSError as error:
            where = f"{options.host}:{options.port}"
            raise StartupError(f"{where} cannot be opened ({error.strerror}): name another --port.") from error
        addresses = [f"JSON-RPC   http://{options.host}:{node.port}", f"WebSocket  ws://{options.host}:{node.port}"]
        if options.geyser_port is not None:
            written = _written(made)
            geyser = await stack.enter_async_context(
                serve_geyser(node, host=options.host, port=options.geyser_port, written=written)
            )
            addresses.append(f"gRPC       http://{options.host}:{geyser.port}")
        moving = asyncio.create_task(_run(chain, options))
        stack.callback(moving.cancel)
        yield LocalChain(chain, tuple(addresses), moving)


def _check(options: LocalOptions) -> None:
    for name, share in (("--failed", options.failed), ("--skipped", options.skipped)):
        if not 0 <= share < 1:
            raise InvalidInput(f"{name} must be at least 0 and below 1; {share:g} is not.")
    if not 0 <= options.prepare <= 3_600:
        raise InvalidInput(f"--prepare must be at least 0 and at most 3600 seconds; {options.prepare:g} is not.")
    if not 0 < options.speed <= 1_000:
        raise InvalidInput(f"--speed must be above 0 and at most 1000; {options.speed:g} is not.")


def _material(options: LocalOptions) -> Material:
    if options.recording is not None:
        return recorded(options.recording)
    started = int(time.time() - _PAST / SLOTS_PER_SECOND)
    return simulated(seed=options.seed, rate=options.rate, tokens=options.tokens, started=started)


def _written(made: Sequence[Filling]) -> Info:
    transactions = [landed for filling in made for landed in filling.landed]
    written = written_once(REMEMBERED + len(transactions))
    for each in transactions:
        written(each)
    return written


async def _run(chain: Chain, options: LocalOptions) -> None:
    if options.fork_every is None:
        await chain.run(options.speed)
    rng = Random(options.seed)

    def fork(chain: Chain) -> None:
        depth = rng.randint(1, _MAX_FORK)
        if chain.tip(Commitment.FINALIZED) >= chain.first_slot:
            chain.fork(depth)
        chain.script[chain.slot + (options.fork_every or 1)] = fork

    chain.script[chain.slot + (options.fork_every or 1)] = fork
    await chain.run(options.speed)
