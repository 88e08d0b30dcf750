"""From what the user names (`simulate`, `replay:PATH`) to the source that reads it: the one list of sources."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from app.errors import StartupError
from app.settings import Settings
from indexer.sources import Source
from indexer.sources.replay import ReplaySource
from indexer.sources.simulate import SimulateSource

if TYPE_CHECKING:
    from indexer.rpc.pool import Pool

KNOWN: Final = "simulate, replay:PATH, rpc, logs, geyser"
LIVE: Final = ("rpc", "logs", "geyser")
"""Those that read the real chain."""
_OPTIONS: Final = {
    "simulate": {"rate", "tokens", "seed", "count"},
    "replay": {"speed"},
    "rpc": set[str](),
    "logs": set[str](),
    "geyser": set[str](),
}


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


def open_sources(names: str, options: SourceOptions, settings: Settings) -> list[Source]:
    """The sources of a list as `geyser,rpc`. Raises what `open_source` raises, and StartupError where one is
    named twice."""
    kinds = [part.strip() for part in names.split(",")]
    if not all(each in LIVE for each in kinds):
        return [open_source(names, options, settings)]  # a path may hold commas; live sources alone can be several
    if len(set(kinds)) < len(kinds):
        raise StartupError(f"the sources {names!r} name one twice: name each once.")
    nodes = cache(partial(_pool, settings))
    return [open_source(kind, options, settings, nodes) for kind in kinds]


def open_source(
    name: str, options: SourceOptions, settings: Settings, nodes: "Callable[[], Pool] | None" = None
) -> Source:
    """The source of that name; `nodes` where it shares a pool with others. Raises StartupError for a name that is none,
    an option that is not that source's or nodes that are not set, InvalidInput for values that cannot be."""
    kind, _, path = name.partition(":")
    given = {option: value for option, value in asdict(options).items() if value is not None}
    foreign = sorted(set(given) - _OPTIONS.get(kind, set(given)))
    if foreign:
        raise StartupError(f"the source {kind} has no option --{foreign[0]}: leave it out.")
    if kind == "simulate" and not path:
        return SimulateSource(**given)
    if kind == "replay" and path:
        return ReplaySource(path, **given)
    if kind == "rpc" and not path:
        return _rpc(settings, nodes or partial(_pool, settings))
    if kind == "logs" and not path:
        return _logs(settings, nodes or partial(_pool, settings))
    if kind == "geyser" and not path:
        return _geyser(settings)
    raise StartupError(f"there is no source {name!r}: name one of {KNOWN}.")


def _pool(settings: Settings) -> "Pool":
    # Here, because the Solana libraries take half a second to import and only these sources need them.
    from indexer.rpc.pool import Pool

    return Pool(str(settings.rpc_urls))


def _rpc(settings: Settings, nodes: "Callable[[], Pool]") -> Source:
    from indexer.sources.rpc import RpcSource

    return RpcSource(nodes(), settings.rpc_commitment)


def _logs(settings: Settings, nodes: "Callable[[], Pool]") -> Source:
    from indexer.sources.logs import LogsSource

    return LogsSource(nodes(), settings.rpc_commitment, settings.logs_requests_per_second)


def _geyser(settings: Settings) -> Source:
    from indexer.sources.geyser.source import GeyserSource

    return GeyserSource(str(settings.geyser_urls), str(settings.geyser_token), settings.rpc_commitment)
