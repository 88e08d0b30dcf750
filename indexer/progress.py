"""How far a long run has come, for people: one line that renews itself on a terminal, a summary at the end."""

import time
from typing import Final, TextIO

from indexer.pipeline import Counters
from indexer.sources import Source
from indexer.sources.replay import ReplaySource

_EVERY_SECONDS: Final = 0.25
_BAR: Final = 24


class Progress:
    """Shows counters as they grow; quiet but for the end where `out` is no terminal."""

    def __init__(self, source: Source, out: TextIO) -> None:
        self._source = source
        self._out = out
        self._is_terminal = out.isatty()
        self._started = time.monotonic()
        self._told = 0.0
        self._counters = Counters()

    def show(self, counters: Counters) -> None:
        """Called after every batch."""
        self._counters = counters
        now = time.monotonic()
        # A source without an end has no progress: its log tells the story.
        if self._is_terminal and isinstance(self._source, ReplaySource) and now - self._told > _EVERY_SECONDS:
            self._told = now
            rate = counters.transactions / max(now - self._started, 1e-3)
            bar = _bar(self._source.bytes_done, self._source.bytes_total)
            text = f"{bar}  {counters.stored:,} stored  {rate:,.0f} transactions/s"
            print(f"\r\x1b[2K{text}", end="", file=self._out, flush=True)

    def end(self) -> None:
        """The summary, once the source is exhausted."""
        if self._is_terminal:
            print("\r\x1b[2K", end="", file=self._out)
        counters = self._counters
        print(
            f"{counters.transactions:,} transactions read ({counters.failed:,} failed on chain), "
            f"{counters.stored:,} events stored, {counters.duplicates:,} known before, "
            f"{counters.dead_letters:,} dead letters, {counters.unreadable:,} pieces unreadable.",
            file=self._out,
            flush=True,
        )


class Bar:
    """A bar over something that can be counted, with its rate; nothing where `out` is no terminal."""

    def __init__(self, out: TextIO, what: str) -> None:
        self._out = out
        self._what = what
        self._started = time.monotonic()

    def show(self, done: int, total: int) -> None:
        """Called as often as there is news."""
        if self._out.isatty():
            rate = done / max(time.monotonic() - self._started, 1e-3)
            text = f"{_bar(done, total)}  {done:,} of {total:,} {self._what}  {rate:,.0f}/s"
            print(f"\r\x1b[2K{text}", end="", file=self._out, flush=True)

    def end(self) -> None:
        if self._out.isatty():
            print("\r\x1b[2K", end="", file=self._out, flush=True)


def _bar(done: int, total: int) -> str:
    share = done / max(total, 1)
    filled = "█" * int(share * _BAR)
    return f"{filled:░<{_BAR}} {share:4.0%}"
