"""What happens to the processes: each scenario is a blow that is dealt again and again at moments that a seed chooses.

A blow returns when its fault is over: a process is started again, a link healed. Recovery is counted from there.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Final

from chaos.world import World

from app.domain.programs import Commitment
from node.chain import FINALITY
from node.faults import Kind

Blow = Callable[[World, Random], Awaitable[None]]
_HOLD_SECONDS: Final = 3.0
"""Batches come ten times a second: what is not caught by then is killed all the same."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """A blow, and the world that it needs."""

    name: str
    blow: Blow
    blows: int
    """How many times it is dealt, unless the command says otherwise."""
    limit: float = 5.0
    """Seconds in which it must have recovered."""
    nodes: int = 1
    standby: bool = False
    """Whether a second indexer waits for the first to die."""
    poison: float = 0.0
    """Share of transactions that a spoilt one goes with."""
    forks: bool = False
    """Whether records leave again: subscribers are then not compared with what stays."""
    wanderers: int = 0
    """Clients that leave and come back at random, instead of those that stay."""


# ---------------------------------------------------------------- kill -9


async def kill_the_indexer(world: World, dice: Random) -> None:
    """At any moment, half of the time at one that a proxy finds: around a COMMIT or before an XADD."""
    await dice.choice((_kill_at_random, _kill_at_random, _kill_while_it_starts, _kill_in_a_commit, _kill_unannounced))(
        world, dice
    )
    await world.start_indexer()


async def _kill_at_random(world: World, dice: Random) -> None:
    await asyncio.sleep(dice.uniform(0, 0.5))
    await world.kill_indexer()


async def _kill_while_it_starts(world: World, dice: Random) -> None:
    await world.kill_indexer()
    await world.start_indexer()
    await asyncio.sleep(dice.uniform(0, 1.2))
    await world.kill_indexer()


async def _kill_in_a_commit(world: World, dice: Random) -> None:
    """The COMMIT never arrives, arrives after the death, or is done and nobody learns of it."""
    hold = world.links.postgres.hold(b"COMMIT", before=dice.random() < 0.5)
    with suppress(TimeoutError):
        await asyncio.wait_for(hold.caught.wait(), _HOLD_SECONDS)
    await asyncio.sleep(dice.uniform(0, 0.05))  # the server has done by then what it was told
    await world.kill_indexer()
    world.links.postgres.release(arrives=dice.random() < 0.5)


async def _kill_unannounced(world: World, dice: Random) -> None:
    """Between the commit and the publication."""
    hold = world.links.redis.hold(b"XADD", before=dice.random() < 0.5)
    with suppress(TimeoutError):
        await asyncio.wait_for(hold.caught.wait(), _HOLD_SECONDS)
    await world.kill_indexer()
    world.links.redis.release(arrives=dice.random() < 0.5)


async def kill_indexer_and_redis(world: World, dice: Random) -> None:
    """Both at once; Redis comes back empty."""
    await asyncio.sleep(dice.uniform(0, 0.5))
    await asyncio.gather(world.kill_indexer(), asyncio.to_thread(world.redis.kill))
    await asyncio.sleep(dice.uniform(0, 0.5))
    await asyncio.to_thread(world.redis.start)
    await world.start_indexer()


async def kill_the_first_of_two(world: World, dice: Random) -> None:
    """Recovery is the take-over. The dead one is started again as the new standby, once that is done."""
    await asyncio.sleep(dice.uniform(0, 1))
    await world.kill_indexer()


async def kill_the_api(world: World, dice: Random) -> None:
    """Its subscribers come back with their cursors, once another one answers."""
    await asyncio.sleep(dice.uniform(0, 1))
    await world.kill_api()


async def kill_any(world: World, dice: Random) -> None:
    """The API, Redis (or it is flushed) and the indexer: one, two or all of them, in any order within half a second."""
    blows = (_kill_api_soon, restart_or_flush_redis, _kill_indexer_soon)
    await asyncio.gather(*(blow(world, dice) for blow in dice.sample(blows, dice.randint(1, len(blows)))))


async def _kill_api_soon(world: World, dice: Random) -> None:
    await asyncio.sleep(dice.uniform(0, 0.5))
    await world.kill_api()


async def _kill_indexer_soon(world: World, dice: Random) -> None:
    await _kill_at_random(world, dice)
    await asyncio.sleep(dice.uniform(0, 0.5))
    await world.start_indexer()


# ---------------------------------------------------------------- Postgres and Redis


async def restart_postgres(world: World, dice: Random) -> None:
    """Fast, immediate, or by killing the postmaster."""
    await asyncio.sleep(dice.uniform(0, 0.5))
    await world.restart_postgres(dice.choice((signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)))


async def restart_or_flush_redis(world: World, dice: Random) -> None:
    await asyncio.sleep(dice.uniform(0, 0.5))
    if dice.random() < 0.5:
        await world.restart_redis()
    else:
        await world.flush_redis()


async def postgres_or_redis_away(world: World, dice: Random) -> None:
    """Refused, or silent, for seconds in which the chain goes on."""
    links = world.links
    database, bus = (links.postgres, links.api_postgres), (links.redis, links.api_redis)
    away = dice.choice((database, bus, (*database, *bus)))
    silently = dice.random() < 0.5
    for proxy in away:
        proxy.leave(silently=silently)
    await asyncio.sleep(dice.uniform(4, 8))
    for proxy in away:
        proxy.heal()


# ---------------------------------------------------------------- nodes


async def disturb_the_node(world: World, dice: Random) -> None:
    """Its connections are cut, reset or silent; or it refuses, fails and mumbles for a while."""
    proxy, faults = world.links.nodes[0], world.nodes[0].faults
    for act in dice.sample((proxy.cut, proxy.reset, proxy.freeze), 1):
        act()
    if dice.random() < 0.7:
        kind = dice.choice((Kind.TOO_MANY, Kind.STATUS, Kind.MALFORMED, Kind.CUT, Kind.RESET, Kind.STALL))
        faults.add(kind, share=dice.choice((0.3, 1.0)), seconds=0.5)
        await asyncio.sleep(dice.uniform(0.5, 2))
    faults.clear()


async def one_of_two_nodes_lags_or_dies(world: World, dice: Random) -> None:
    """The fault ends with the node's return; recovery is that of the pool, which had another all the time."""
    number = dice.randrange(2)
    if dice.random() < 0.5:
        world.nodes[number].faults.lag = 60
    else:
        world.links.nodes[number].leave(silently=dice.random() < 0.5)
    await asyncio.sleep(dice.uniform(1, 4))
    world.nodes[number].faults.clear()
    world.links.nodes[number].heal()


async def fork_and_kill(world: World, dice: Random) -> None:
    """The last 1, 5 or 31 blocks are replaced; half of the time the indexer is killed as it learns of it."""
    chain = world.market.chain
    deepest = min(FINALITY, sum(1 for _ in chain.blocks(world.first_slot, chain.slot)))
    chain.fork(min(deepest, dice.choice((1, 5, 31))))
    if dice.random() < 0.5:
        await asyncio.sleep(dice.uniform(0, 0.6))
        await world.kill_indexer()
        if dice.random() < 0.3:
            chain.fork(min(3, len(list(chain.blocks(chain.tip(Commitment.FINALIZED) + 1, chain.slot)))))
        await world.start_indexer()


SCENARIOS: Final = (
    Scenario("indexer killed", kill_the_indexer, blows=100),
    Scenario("indexer and Redis killed", kill_indexer_and_redis, blows=10, limit=10),
    Scenario("API killed", kill_the_api, blows=8),
    Scenario("wandering clients", kill_any, blows=12, limit=10, wanderers=24),
    Scenario("poison with kills", kill_the_indexer, blows=8, poison=0.1),
    Scenario("Postgres restarted", restart_postgres, blows=9),
    Scenario("Redis restarted or flushed", restart_or_flush_redis, blows=8, limit=2),
    Scenario("Postgres or Redis away", postgres_or_redis_away, blows=6, limit=15),
    Scenario("node disturbed", disturb_the_node, blows=12, limit=20),
    Scenario("one of two nodes disturbed", one_of_two_nodes_lags_or_dies, blows=8, nodes=2),
    Scenario("forks with kills", fork_and_kill, blows=20, forks=True),
    Scenario("standby takes over", kill_the_first_of_two, blows=8, limit=10, standby=True),
)
