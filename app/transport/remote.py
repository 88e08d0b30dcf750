"""Asks a running server for its `Status`, for people at a terminal."""

import json
import urllib.error
import urllib.request
from typing import Any, NamedTuple

from app.errors import Unavailable

_QUERY = """{
  status {
    state version subscriptions lagSlots
    head { slot time ageMs } replayFrom { slot time }
    deliveryLatencyMs { p50 p95 p99 }
    components { name state detail }
  }
}"""
_TIMEOUT_SECONDS = 10.0


class Report(NamedTuple):
    """A status as text, and whether all is well."""

    text: str
    is_ok: bool


def read_status(url: str) -> Report:
    """Raises Unavailable when nothing answers there, or what answers is not Curvecast."""
    request = urllib.request.Request(
        url, json.dumps({"query": _QUERY}).encode(), {"content-type": "application/json", "accept": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as response:
            status: dict[str, Any] = json.load(response)["data"]["status"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"no Curvecast answers at {url}: start one, or name it with --url.") from error
    return Report("\n".join(_lines(status)), status["state"] == "OK")


def _lines(status: dict[str, Any]) -> list[str]:
    head, latency = status["head"], status["deliveryLatencyMs"]
    return [
        f"{status['state']}  Curvecast {status['version']}, {status['subscriptions']} open subscriptions",
        f"  head          slot {head['slot']}, {head['time']}, {head['ageMs'] / 1000:.1f} s ago",
        f"  replay from   slot {status['replayFrom']['slot']}, {status['replayFrom']['time']}",
        f"  delivery      p50 {latency['p50']:.0f} ms, p95 {latency['p95']:.0f} ms, p99 {latency['p99']:.0f} ms",
        *(_component(each) for each in status["components"]),
    ]


def _component(part: dict[str, Any]) -> str:
    detail = f"  {part['detail']}" if part["detail"] else ""
    return f"  {part['name']:<13} {part['state']}{detail}"
