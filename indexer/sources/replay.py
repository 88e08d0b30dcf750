"""Replays recordings: a file or a folder of any known form, as fast as it is taken or paced by block time."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from app.domain.events import Rate
from app.errors import StartupError
from indexer.parse import Parsed, parse
from indexer.recordings import Piece, is_simulated, list_files, read_pieces
from indexer.sources import Delivery, Unreadable
from indexer.transaction import Transaction

BATCH: Final = 500
"""Transactions a delivery; a piece that holds more, as a block, goes out whole."""


class ReplayState(msgspec.Struct, frozen=True, array_like=True):
    """Where a replay stands: this file of this path, after this line (0: after all of it); no file: at the start."""

    path: str
    file: str
    line: int


class ReplaySource:
    """Delivers recordings once, in order of their names; exhausted at the end.

    `speed` paces by block time (1 is as it happened, 2 twice as fast); None does not wait. What cannot be read is
    delivered as `Unreadable` and the replay goes on. StartupError when the path does not exist.
    A replay that was stopped goes on where it stood; one that came to its end, or of another path, starts anew.
    """

    name = "replay"

    def __init__(
        self,
        path: str | Path,
        *,
        speed: float | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = Path(path)
        if not self._path.exists():
            raise StartupError(f"nothing to replay: {path} does not exist")
        if speed is not None and not 0 < speed < math.inf:
            raise StartupError(f"the speed of a replay must be a number above 0; {speed:g} is not")
        self._files = list_files(self._path)
        self.is_simulated = any(is_simulated(file) for file in self._files)
        self._sizes = [file.stat().st_size for file in self._files]
        self._pace = _Pace(speed, sleep, clock) if speed is not None else None
        self.bytes_total = sum(self._sizes)
        """Of all files, as they lie on disk."""
        self.bytes_done = 0

    async def stream(self, state: bytes | None) -> AsyncIterator[Delivery]:
        """Deliveries from after `state`; their own state is the last piece that went out whole."""
        batch = _Batch()
        for piece_state, where, parsed in self._parsed(_read_state(state)):
            if batch.is_full() or (self._pace is not None and batch.is_before(parsed)):
                yield await self._deliver(batch)
                batch = _Batch()
            batch.add(piece_state, where, parsed)
        if batch.state is not None:
            batch.state = ReplayState(self._place, "", 0)
            yield await self._deliver(batch)

    async def _deliver(self, batch: "_Batch") -> Delivery:
        if self._pace is not None and batch.transactions:
            await self._pace.wait_for(batch.transactions[0].block_time)
        await asyncio.sleep(0)  # Reading is blocking: others get their turn between deliveries.
        return batch.delivery()

    def _parsed(self, resume: ReplayState | None) -> Iterator[tuple[ReplayState, str, Parsed]]:
        if resume is not None and (resume.path != self._place or not resume.file):
            resume = None
        before = 0
        for file, size in zip(self._files, self._sizes, strict=True):
            name = self._relative(file)
            done = resume is not None and (name < resume.file or (name == resume.file and resume.line == 0))
            if not done:
                line = resume.line if resume is not None and name == resume.file else 0
                for piece in read_pieces(file, after_line=line, advanced=self._advance(before)):
                    where = f"{name}:{piece.line}" if piece.line else name
                    yield ReplayState(self._place, name, piece.line), where, _parse_piece(piece)
            before += size
            self.bytes_done = before

    def _advance(self, before: int) -> Callable[[int], None]:
        def advanced(position: int) -> None:
            self.bytes_done = before + position

        return advanced

    @property
    def _place(self) -> str:
        return str(self._path.resolve())

    def _relative(self, file: Path) -> str:
        return file.name if file == self._path else file.relative_to(self._path).as_posix()


class _Batch:
    """What goes out with the next delivery."""

    def __init__(self) -> None:
        self.transactions: list[Transaction] = []
        self.rates: list[Rate] = []
        self.unreadable: list[Unreadable] = []
        self.state: ReplayState | None = None

    def add(self, state: ReplayState, where: str, parsed: Parsed) -> None:
        self.transactions += parsed.transactions
        self.rates += parsed.rates
        self.unreadable += [Unreadable(where, why) for why in parsed.unreadable]
        self.state = state

    def is_full(self) -> bool:
        return len(self.transactions) >= BATCH or len(self.unreadable) >= BATCH

    def is_before(self, parsed: Parsed) -> bool:
        """Whether something is waiting here that happened before what comes next."""
        return (
            bool(self.transactions and parsed.transactions)
            and self.transactions[-1].block_time != parsed.transactions[0].block_time
        )

    def delivery(self) -> Delivery:
        return Delivery(
            transactions=tuple(self.transactions),
            rates=tuple(self.rates),
            unreadable=tuple(self.unreadable),
            state=msgspec.json.encode(self.state) if self.state else b"",
        )


class _Pace:
    """Holds back what happened later, from the first block time on."""

    def __init__(self, speed: float, sleep: Callable[[float], Awaitable[None]], clock: Callable[[], float]) -> None:
        self._speed = speed
        self._sleep = sleep
        self._clock = clock
        self._start: tuple[int, float] | None = None

    async def wait_for(self, block_time: int | None) -> None:
        if block_time is None:
            return
        if self._start is None:
            self._start = (block_time, self._clock())
        first, began = self._start
        due = began + (block_time - first) / self._speed
        await self._sleep(max(0.0, due - self._clock()))


def _parse_piece(piece: Piece) -> Parsed:
    return parse(piece.data) if piece.why is None else Parsed(unreadable=(piece.why,))


def _read_state(state: bytes | None) -> ReplayState | None:
    return msgspec.json.decode(state, type=ReplayState) if state else None
