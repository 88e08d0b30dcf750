"""From what the user names (`simulate`, `replay:PATH`) to the source that reads it: the one list of sources."""

from dataclasses import asdict, dataclass
from typing import Final

from app.errors import StartupError
from indexer.sources import Source
from indexer.sources.replay import ReplaySource
from indexer.sources.simulate import SimulateSource

KNOWN: Final = "simulate, replay:PATH"
_OPTIONS: Final = {"simulate": {"rate", "tokens", "seed", "count"}, "replay": {"speed"}}


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What the command line may say about a source; each source takes what concerns it."""

    rate: float | None = None
    """Simulated trades a second."""
    tokens: int | None = None
    """Simulated tokens that trade at once."""
    seed: int | None = None
    count: int | None = None
    """Ends the simulation after so many trades."""
    speed: float | None = None
    """Replays at so many times real time; None does not wait."""


def open_source(name: str, options: SourceOptions) -> Source:
    """The source of that name. Raises StartupError for a name that is none or an option that is not that source's,
    InvalidInput for values that cannot be."""
    kind, _, path = name.partition(":")
    given = {option: value for option, value in asdict(options).items() if value is not None}
    foreign = sorted(set(given) - _OPTIONS.get(kind, set(given)))
    if foreign:
        raise StartupError(f"the source {kind} has no option --{foreign[0]}: leave it out.")
    if kind == "simulate" and not path:
        return SimulateSource(**given)
    if kind == "replay" and path:
        return ReplaySource(path, **given)
    raise StartupError(f"there is no source {name!r}: name one of {KNOWN}.")
