"""From what the user names (`simulate`, `replay:PATH`) to the source that reads it: the one list of sources."""

from dataclasses import dataclass
from typing import Final

from app.errors import StartupError
from indexer.sources import Source
from indexer.sources.replay import ReplaySource
from indexer.sources.simulate import SimulateSource

KNOWN: Final = "simulate, replay:PATH"


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What the command line may say about a source; each source takes what concerns it."""

    rate: float = 40.0
    """Simulated trades a second."""
    tokens: int = 200
    """Simulated tokens that trade at once."""
    seed: int = 1
    count: int | None = None
    """Ends the simulation after so many trades."""
    speed: float | None = None
    """Replays at so many times real time; None does not wait."""


def open_source(name: str, options: SourceOptions) -> Source:
    """The source of that name. Raises StartupError for a name that is none, InvalidInput for options that cannot be."""
    kind, _, path = name.partition(":")
    if kind == "simulate" and not path:
        return SimulateSource(rate=options.rate, tokens=options.tokens, seed=options.seed, count=options.count)
    if kind == "replay" and path:
        return ReplaySource(path, speed=options.speed)
    raise StartupError(f"there is no source {name!r}: name one of {KNOWN}.")
