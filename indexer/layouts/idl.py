"""An Anchor IDL as a table of plain declarations, and the layouts read from it on first use.

A record is written `name type, name type, …`; types are the IDL's own, with `vec<T>`, `option<T>`,
`[T;n]`, names of other records, and `enum A B` for enums. Discriminators are Anchor's: the first
8 bytes of SHA-256 of `event:Name`, `global:name` (instructions) or `account:Name`. No event or instruction ever had a
field inserted: an older payload is a prefix of today's, at most with other field names (tested on every version).
"""

from collections.abc import Iterable, Mapping
from functools import cached_property
from hashlib import sha256
from typing import NamedTuple

from indexer.layouts.borsh import (
    PRIMITIVES,
    Array,
    Codec,
    Fields,
    Fixed,
    Option,
    Prefix,
    Record,
    String,
    Variant,
    Vec,
)

DISCRIMINATOR_BYTES = 8


class Layout(NamedTuple):
    """One event, instruction or account of a program."""

    name: str
    discriminator: bytes
    record: Record
    accounts: tuple[str, ...] = ()
    """Of an instruction: the names of its accounts, in order."""

    def decode(self, payload: bytes) -> Prefix:
        """The fields behind the discriminator. Shorter payloads leave later fields missing, longer ones a trail."""
        return self.record.read_prefix(payload, DISCRIMINATOR_BYTES)

    def encode(self, fields: Fields) -> bytes:
        """The twin of `decode`: discriminator and fields up to the first that is absent."""
        out = bytearray(self.discriminator)
        self.record.write(fields, out)
        return bytes(out)

    def name_accounts(self, accounts: tuple[str, ...]) -> dict[str, str]:
        """An instruction's accounts by name; fewer than declared leave later names out."""
        return dict(zip(self.accounts, accounts, strict=False))


class Idl:
    """The layouts of one program, by discriminator and by name."""

    def __init__(
        self,
        program: str,
        types: Mapping[str, str],
        events: Mapping[str, str],
        instructions: Mapping[str, tuple[str, str]],
        accounts: Mapping[str, str],
    ) -> None:
        self.program = program
        self._types = types
        self._events = events
        self._instructions = instructions
        self._accounts = accounts
        self._codecs: dict[str, Codec] = {}

    @cached_property
    def events(self) -> dict[bytes, Layout]:
        return _by_discriminator(Layout(n, _hash("event", n), self._record(s)) for n, s in self._events.items())

    @cached_property
    def instructions(self) -> dict[bytes, Layout]:
        return _by_discriminator(
            Layout(name, _hash("global", name), self._record(arguments), tuple(accounts.split()))
            for name, (arguments, accounts) in self._instructions.items()
        )

    @cached_property
    def accounts(self) -> dict[bytes, Layout]:
        return _by_discriminator(Layout(n, _hash("account", n), self._record(s)) for n, s in self._accounts.items())

    def event(self, name: str) -> Layout:
        return self.events[_hash("event", name)]

    def instruction(self, name: str) -> Layout:
        return self.instructions[_hash("global", name)]

    def account(self, name: str) -> Layout:
        return self.accounts[_hash("account", name)]

    def codec(self, spec: str) -> Codec:
        """The codec of a type as the declarations write it; KeyError for a name that is not declared."""
        if spec not in self._codecs:
            self._codecs[spec] = self._build(spec)
        return self._codecs[spec]

    def _build(self, spec: str) -> Codec:
        if spec in PRIMITIVES:
            return PRIMITIVES[spec]
        if spec == "string":
            return String()
        if spec.startswith("vec<"):
            return Vec(self.codec(spec[4:-1]))
        if spec.startswith("option<"):
            return Option(self.codec(spec[7:-1]))
        if spec.startswith("["):
            item, size = spec[1:-1].rsplit(";", 1)
            return Fixed(f"{int(size)}s") if item == "u8" else Array(self.codec(item), int(size))
        declared = self._types[spec]
        return Variant(tuple(declared.split()[1:])) if declared.startswith("enum ") else self._record(declared)

    def _record(self, spec: str) -> Record:
        fields = (field.split() for field in spec.split(",") if field.strip())
        return Record({name: self.codec(kind) for name, kind in fields})


def _hash(kind: str, name: str) -> bytes:
    return sha256(f"{kind}:{name}".encode()).digest()[:DISCRIMINATOR_BYTES]


def _by_discriminator(layouts: Iterable[Layout]) -> dict[bytes, Layout]:
    return {layout.discriminator: layout for layout in layouts}
