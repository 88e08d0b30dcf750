"""The part of the chain that was delivered and may still change: what tells a fork, also after a restart. Pure."""

from typing import Final, NamedTuple

import msgspec

from indexer.rpc.block import Link


class Point(NamedTuple):
    """A block."""

    slot: int
    blockhash: str


class _State(msgspec.Struct, frozen=True, array_like=True):
    genesis: str | None
    finalized: int
    points: tuple[tuple[int, str], ...]


_STATE: Final = msgspec.msgpack.Decoder(_State)


class Unfinalized:
    """Blocks linked to each other, oldest first, never empty. The oldest is final, or the one we began at."""

    def __init__(self, points: list[Point], finalized: int, genesis: str | None = None) -> None:
        self._points = points
        self._hashes = dict(points)
        self.finalized = finalized
        """Newest slot that is known to be final."""
        self.genesis = genesis
        """Of the chain that this is part of."""

    @property
    def base(self) -> Point:
        return self._points[0]

    @property
    def tip(self) -> Point:
        return self._points[-1]

    @property
    def is_based(self) -> bool:
        """Whether the base is final: a branch that leaves below it is deeper than finality."""
        return self.base.slot <= self.finalized

    def holds(self, slot: int, blockhash: str) -> bool:
        return self._hashes.get(slot) == blockhash

    def add(self, link: Link) -> None:
        """The next block; the caller knows that it follows the tip."""
        self._points.append(Point(link.slot, link.blockhash))
        self._hashes[link.slot] = link.blockhash

    def rewind(self, to: Point) -> tuple[int, ...]:
        """Makes `to` the tip; the slots that leave the chain. A block that is not held becomes the new base."""
        at = self._points.index(to) + 1 if self.holds(*to) else 0
        gone = self._points[at:]
        self._points = self._points[:at] or [to]
        self._hashes = dict(self._points)
        return tuple(point.slot for point in gone)

    def settle(self, slot: int) -> None:
        """A held block is final: with it, by their links, all before it, which need not be remembered."""
        self.finalized = max(self.finalized, slot)
        self._points = [point for point in self._points if point.slot >= slot]
        self._hashes = dict(self._points)

    def encode(self) -> bytes:
        """As a source's resume token."""
        return msgspec.msgpack.encode(_State(self.genesis, self.finalized, tuple(self._points)))

    @classmethod
    def decode(cls, state: bytes) -> "Unfinalized":
        read = _STATE.decode(state)
        return cls([Point(*each) for each in read.points], read.finalized, read.genesis)
