"""Counters and histograms of this process, printed in the text format of Prometheus by `app.transport.probes`."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

_BOUNDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the histogram's buckets, in seconds."""


class Count:
    """Something that only grows, by one label."""

    def __init__(self, name: str, about: str, label: str) -> None:
        self._name, self._about, self._label = name, about, label
        self._values: Counter[str] = Counter()

    def add(self, value: str, by: int = 1) -> None:
        self._values[value] += by

    def lines(self) -> Iterator[str]:
        yield f"# HELP {self._name} {self._about}"
        yield f"# TYPE {self._name} counter"
        for value, count in sorted(self._values.items()):
            yield f'{self._name}{{{self._label}="{value}"}} {count}'


class Histogram:
    """How long something took, in seconds."""

    def __init__(self, name: str, about: str) -> None:
        self._name, self._about = name, about
        self._counts = [0] * (len(_BOUNDS) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(_BOUNDS, seconds)] += 1
        self._sum += seconds

    def lines(self) -> Iterator[str]:
        yield f"# HELP {self._name} {self._about}"
        yield f"# TYPE {self._name} histogram"
        total = 0
        for bound, count in zip((*map(str, _BOUNDS), "+Inf"), self._counts, strict=True):
            total += count
            yield f'{self._name}_bucket{{le="{bound}"}} {total}'
        yield f"{self._name}_sum {self._sum}"
        yield f"{self._name}_count {total}"


class Metrics:
    """All of this process. One object, made in `create_app` and passed down."""

    def __init__(self) -> None:
        self.requests = Count("curvecast_http_requests_total", "GraphQL requests over HTTP by outcome.", "outcome")
        self.seconds = Histogram("curvecast_http_seconds", "Time to answer a GraphQL request over HTTP.")
        self.operations = Count("curvecast_ws_operations_total", "Operations over WebSocket by outcome.", "outcome")
        self.payloads = Count("curvecast_ws_payloads_total", "Messages of type next by kind of operation.", "kind")
        self.streams = Count("curvecast_streams_total", "Subscriptions over HTTP by how they ended.", "outcome")
        self.stream_payloads = Count("curvecast_stream_payloads_total", "Payloads over HTTP by media type.", "media")
        self.closes = Count("curvecast_ws_closes_total", "Sockets that the server closed, by code.", "code")

    def lines(self) -> Iterator[str]:
        sockets = (self.operations, self.payloads, self.closes)
        for each in (self.requests, self.seconds, *sockets, self.streams, self.stream_payloads):
            yield from each.lines()


def gauge(name: str, about: str, value: float) -> list[str]:
    """The lines of a value that is read when it is asked for."""
    return [f"# HELP {name} {about}", f"# TYPE {name} gauge", f"{name} {value}"]


def gauges(name: str, about: str, label: str, values: Mapping[str, float]) -> list[str]:
    """The same for several, told apart by one label."""
    lines = [f'{name}{{{label}="{_escaped(each)}"}} {value}' for each, value in sorted(values.items())]
    return [f"# HELP {name} {about}", f"# TYPE {name} gauge", *lines]


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
