"""Whether a server's memory grows while it delivers: its size once a second, and the slope of a line through it."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from bench.peers.running import load_generator

EVENTS_A_SECOND: Final = 2_000
CONNECTIONS: Final = 1_000
_WARM_SECONDS: Final = 30.0
"""Not looked at: allocators take what they will need."""
_KIB_A_PAGE: Final = 4
_PARTS: Final = 6


def soak(server: Sequence[str], query: str, mints: Path, minutes: float) -> dict[str, Any]:
    """Figures of a run of so many minutes; `server` as the load generator takes it.

    `mb_a_minute` is the slope of memory over time; `mb_of_parts` the median size in each sixth of the run, which shows
    whether it still grows in the end.
    """
    command = (
        *(load_generator("wsload"), *server, "--query", query, "--mints", str(mints)),
        *("--connections", str(CONNECTIONS), "--rate", str(EVENTS_A_SECOND)),
        *("--warm", str(_WARM_SECONDS), "--seconds", str(60 * minutes)),
    )
    pids = server[server.index("--pids") + 1].split(",")
    sizes: list[float] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
        while load.poll() is None:
            sizes.append(sum(map(_megabytes, pids)))
            time.sleep(1)
        assert load.stdout is not None
        told = load.stdout.read()
    if not told:
        sys.exit("The load generator failed.")
    sizes = sizes[int(_WARM_SECONDS) + 5 : int(_WARM_SECONDS + 60 * minutes)]
    slope, _ = statistics.linear_regression(range(len(sizes)), sizes)
    bounds = [len(sizes) * part // _PARTS for part in range(_PARTS + 1)]
    parts = [round(statistics.median(sizes[first:last]), 1) for first, last in pairwise(bounds)]
    return {"minutes": minutes, "mb_a_minute": round(60 * slope, 3), "mb_of_parts": parts, **json.loads(told)}


def _megabytes(pid: str) -> float:
    resident = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(resident) * _KIB_A_PAGE / 1024
