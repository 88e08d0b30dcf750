"""Every setting, read once from the environment (prefix `CURVECAST_`) and passed down as one frozen object."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from pathlib import Path

from starlette.config import Config
from starlette.datastructures import Secret

from app.errors import StartupError

EMBEDDED = "embedded"
MEMORY = "memory://"
_HERE = Path(__file__).resolve().parent
_CONTRACTS = (_HERE.parent / "graphql", _HERE / "contract")
"""In a checkout, in the installed package."""


def _contract_folder() -> Path:
    # Beside an installed package lies the library graphql-core, in a folder of the same name.
    return next((each for each in _CONTRACTS if (each / "operations").is_dir()), _CONTRACTS[0])


@dataclass(frozen=True, slots=True)
class Settings:
    """Meaning and unit of each setting; `.env.example` lists them with their defaults."""

    database_url: Secret = field(default_factory=lambda: Secret(EMBEDDED))
    """`embedded`, or postgresql://user:password@host:port/name."""
    redis_url: Secret = field(default_factory=lambda: Secret(MEMORY))
    """`memory://` (one process), or redis://host:port/db."""
    data_dir: Path = Path(".curvecast")
    """Where the embedded Postgres keeps its data."""
    contract_dir: Path = field(default_factory=lambda: _contract_folder())
    """Folder of schema.graphql and operations/."""
    host: str = "127.0.0.1"
    port: int = 8000
    source: str = "simulate"
    """What `up` and `index` read: simulate, replay:PATH, rpc, logs or geyser; several joined by commas."""
    rpc_urls: Secret = field(default_factory=lambda: Secret(""))
    """HTTP addresses of Solana nodes, comma separated, as http://127.0.0.1:8899; their WebSocket is found from it
    (https becomes wss, port 8899 becomes 8900) unless the address is followed by `|ws://…`."""
    rpc_commitment: str = "confirmed"
    """How certain a block must be to be read from a node: processed, confirmed or finalized."""
    logs_requests_per_second: float = 5.0
    """What the source `logs` may ask of a node besides listening: free ones allow little."""
    geyser_urls: Secret = field(default_factory=lambda: Secret(""))
    """Yellowstone gRPC endpoints, comma separated, as http://127.0.0.1:10000 or https://…"""
    geyser_token: Secret = field(default_factory=lambda: Secret(""))
    """Sent to them as `x-token`."""
    ipfs_gateways: str = "https://ipfs.io,https://dweb.link"
    """Where live sources fetch tokens' metadata that is on IPFS, comma separated; `none` fetches no metadata at all."""
    price_apis: str = (
        "jupiter=https://api.jup.ag/price/v3,"
        "coingecko=https://api.coingecko.com/api/v3/simple/price,"
        "dexscreener=https://api.dexscreener.com/tokens/v1/solana"
    )
    """Where live sources take US dollar rates from, the median counts; `none` asks nobody."""
    sol_usd: str = ""
    """Fixes US dollars per SOL, as `150.25`; empty takes the source's rate."""
    rate_max_age_seconds: int = 300
    """A quote-to-USD rate older than this, in chain time, is not used."""

    # write path
    batch_max_rows: int = 2_000
    batch_max_milliseconds: int = 25
    source_queue_size: int = 64
    """Deliveries that may wait between source and pipeline."""
    database_pool_size: int = 8
    database_timeout_seconds: float = 10.0

    # bus and live
    bus_max_batches: int = 10_000
    """Batches that the Redis stream keeps; older ones are read from Postgres."""
    mailbox_size: int = 1_024
    """Records that one subscription may have waiting."""

    # limits at the edge
    max_body_bytes: int = 256 * 1024
    max_frame_bytes: int = 64 * 1024
    max_tokens: int = 2_000
    max_depth: int = 15
    max_aliases: int = 30
    max_directives: int = 50
    max_cost: int = 30_000
    max_operations_per_socket: int = 100
    connection_init_timeout_seconds: float = 10.0
    max_sockets: int = 20_000
    query_timeout_seconds: float = 15.0

    def __post_init__(self) -> None:
        """Raises StartupError naming the variable whose value would only fail later, or do nothing."""
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, int | float) and each.name != "port" and not 0 < value < math.inf:
                raise StartupError(f"CURVECAST_{each.name.upper()} is {value}: it must be above 0.")
        if not 0 <= self.port <= _MAX_PORT:
            raise StartupError(f"CURVECAST_PORT is {self.port}: it must be 0 to {_MAX_PORT}; 0 takes a free one.")
        if self.sol_usd and not _is_rate(self.sol_usd):
            raise StartupError(f"CURVECAST_SOL_USD is {self.sol_usd!r}: it must be US dollars per SOL, as 150.25.")

    @property
    def is_embedded(self) -> bool:
        """Whether this process runs its own Postgres."""
        return str(self.database_url) == EMBEDDED

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "Settings":
        """Reads `CURVECAST_*`, and `.env` in the working folder for what the environment does not set.

        An empty value is the default. Raises StartupError naming the variable when a value cannot be read.
        """
        env_file = Path(".env")
        config = Config(
            env_file if env_file.is_file() else None,
            environ=dict(os.environ if environ is None else environ),
            env_prefix="CURVECAST_",
        )
        defaults = cls()
        given: dict[str, object] = {}
        for each in fields(cls):
            text = config(each.name.upper(), default="")
            kind = type(getattr(defaults, each.name))
            try:
                given |= {each.name: kind(text)} if text else {}
            except ValueError as error:
                raise StartupError(
                    f"CURVECAST_{each.name.upper()} is not a {_KINDS[kind]}: correct or unset it."
                ) from error
        return replace(defaults, **given)  # type: ignore[arg-type] # each value is of its field's own type


def _is_rate(text: str) -> bool:
    return re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,18})?", text) is not None and Decimal(text) > 0


_MAX_PORT = 65_535
_KINDS = {int: "whole number", float: "number"}
