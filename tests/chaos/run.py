"""`make chaos`: deals the blows of each scenario, judges what is stored afterwards, and prints a table."""

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from random import Random

from chaos.judge import Verdict, judge
from chaos.scenarios import SCENARIOS, Scenario
from chaos.subscriber import Audience, listening
from chaos.wanderers import Wandering, wandering
from chaos.world import LIMIT_SECONDS, SOL_USD, World, running_world

from app.domain.programs import Commitment

_SHOWN = 5
_STREAM_SECONDS = 20.0
_HEAD = (
    *("scenario", "seed", "blows", "kills", "events"),
    *("lost", "doubled", "phantom", "wrong", "gaps", "streams", "p50 s", "max s"),
)


@dataclass
class Outcome:
    """One line of the table."""

    scenario: Scenario
    seed: int
    verdict: Verdict
    kills: int
    recoveries: list[float] = field(default_factory=list)
    """Seconds, one a blow."""
    misdelivered: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """What must not be, in words; empty where all is well."""
        named = {name: getattr(self.verdict, name) for name in ("lost", "doubled", "phantom", "wrong", "gaps")}
        found = [f"{name}: {each}" for name, held in named.items() for each in held[:_SHOWN]]
        return found + [f"streams: {each}" for each in self.misdelivered[:_SHOWN]]

    @property
    def late(self) -> list[str]:
        """Recoveries that took longer than they may: told, not failed, because machines differ."""
        limit = self.scenario.limit
        return [
            f"late: blow {number} took {seconds:.1f} s, more than {limit:g} s"
            for number, seconds in enumerate(self.recoveries, 1)
            if seconds > limit
        ]

    def row(self) -> tuple[str, ...]:
        verdict, seconds = self.verdict, self.recoveries or [0.0]
        counts = (verdict.lost, verdict.doubled, verdict.phantom, verdict.wrong, verdict.gaps, self.misdelivered)
        return (
            *(self.scenario.name, str(self.seed), str(len(self.recoveries)), str(self.kills), str(verdict.events)),
            *(str(len(each)) for each in counts),
            *(f"{each:.2f}" for each in (statistics.median(seconds), max(seconds))),
        )


async def play(scenario: Scenario, seed: int, *, blows: int | None = None, seconds: float = 3_600.0) -> Outcome:
    """Deals the blows, no new one after `seconds`, then settles and judges."""
    dice = Random(f"{scenario.name} {seed}")
    async with AsyncExitStack() as stack:
        world = await stack.enter_async_context(running_world(seed, nodes=scenario.nodes, poison=scenario.poison))
        if scenario.standby:
            await world.start_indexer()
        audience = None if scenario.forks else await stack.enter_async_context(_audience(world, scenario, dice))
        recoveries = await _blows(world, audience, scenario, dice, blows or scenario.blows, time.monotonic() + seconds)
        await world.settle()
        misdelivered = await audience.misdelivered(world.postgres.url, _STREAM_SECONDS) if audience else []
        await world.end_indexers()
        chain = world.market.chain
        last = chain.tip(Commitment.CONFIRMED)
        empty_url = await world.another_database()
        verdict = await judge(world.postgres.url, empty_url, chain, world.first_slot, last, SOL_USD)
        return Outcome(scenario, seed, verdict, world.kills, recoveries, misdelivered)


@asynccontextmanager
async def _audience(world: World, scenario: Scenario, dice: Random) -> AsyncIterator[Audience | Wandering]:
    api, url = await world.start_api(), world.postgres.url
    if scenario.wanderers:
        async with wandering(api, url, scenario.wanderers, dice) as wanderers:
            yield wanderers
    else:
        async with listening(api.address, url) as audience:
            yield audience


async def _blows(
    world: World, audience: Audience | Wandering | None, scenario: Scenario, dice: Random, blows: int, until: float
) -> list[float]:
    recoveries: list[float] = []
    while len(recoveries) < blows and time.monotonic() < until:
        await scenario.blow(world, dice)
        seconds = await world.recovered()
        if isinstance(audience, Wandering):
            seconds += await audience.recovered(LIMIT_SECONDS)
        recoveries.append(seconds)
        if scenario.standby:
            await world.start_indexer()
        await asyncio.sleep(dice.uniform(0, 1))
    return recoveries


def table(outcomes: Sequence[Outcome]) -> str:
    """As text, one line each."""
    rows = [_HEAD, *(each.row() for each in outcomes)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(_HEAD))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


async def _run(options: argparse.Namespace) -> int:
    outcomes = []
    for scenario in SCENARIOS:
        if options.scenario and options.scenario not in scenario.name:
            continue
        outcome = await play(scenario, options.seed, blows=options.kills, seconds=options.seconds)
        outcomes.append(outcome)
        print(table([outcome]).splitlines()[1], *outcome.faults, *outcome.late, sep="\n  ", flush=True)
    print(f"\n{table(outcomes)}")
    return 1 if not outcomes or any(each.faults for each in outcomes) else 0


def main() -> int:
    """The exit code is 1 when anything was lost, doubled, phantom, wrong, missing or misdelivered."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="chooses the market, the blows and their moments (1)")
    parser.add_argument("--kills", type=int, help="blows of each scenario; its own number unless given")
    parser.add_argument("--seconds", type=float, default=3_600.0, help="of blows in each scenario, at most")
    parser.add_argument("--scenario", help="only those with this in their name")
    return asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
