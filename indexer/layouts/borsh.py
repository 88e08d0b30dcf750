"""Borsh bytes to values and back, by declared types; runs of fixed-size fields are read by one precompiled struct.

Values: integers and booleans as they are, keys as base58 text, u8 arrays as bytes, records as dicts, enums by name.
Source of the encoding: the Borsh specification; Anchor adds only the 8-byte discriminator in front.
It is long because each type of the encoding is a class of its own.
"""

import struct
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from indexer.base58 import address, address_bytes

Fields: TypeAlias = dict[str, Any]
"""What a record holds, by field name."""


class LayoutError(ValueError):
    """Bytes that do not fit the layout; the text is stable and names the field."""


class Codec(Protocol):
    """Reads and writes one type."""

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        """The value at an offset, and the offset behind it; LayoutError when the bytes end or are not of this type."""
        ...

    def write(self, value: Any, out: bytearray) -> None: ...


class Prefix(NamedTuple):
    """What could be read of a record that may be older or newer than its declaration."""

    fields: Fields
    missing: tuple[str, ...]
    """Declared fields that did not exist yet."""
    trailing: bytes
    """Bytes newer than the declaration."""


def _read_bool(value: int) -> bool:
    if value > 1:
        raise LayoutError("a boolean is neither 0 nor 1")
    return value == 1


class Fixed:
    """A type of fixed size: a struct format, and how to get from its value to ours and back."""

    def __init__(
        self,
        form: str,
        after: Callable[[Any], Any] | None = None,
        before: Callable[[Any], Any] | None = None,
    ) -> None:
        self.form = form
        self.after = after
        self._before = before
        self._struct = struct.Struct("<" + form)

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        end = at + self._struct.size
        if end > len(data):
            raise LayoutError("cut short")
        value = self._struct.unpack_from(data, at)[0]
        return (self.after(value) if self.after else value), end

    def write(self, value: Any, out: bytearray) -> None:
        out += self._struct.pack(self._before(value) if self._before else value)


PRIMITIVES: Final[dict[str, Codec]] = {
    "u8": Fixed("B"),
    "u16": Fixed("H"),
    "u32": Fixed("I"),
    "u64": Fixed("Q"),
    "i64": Fixed("q"),
    "u128": Fixed("16s", lambda b: int.from_bytes(b, "little"), lambda n: n.to_bytes(16, "little")),
    "i128": Fixed(
        "16s", lambda b: int.from_bytes(b, "little", signed=True), lambda n: n.to_bytes(16, "little", signed=True)
    ),
    "bool": Fixed("B", _read_bool, int),
    "pubkey": Fixed("32s", address, address_bytes),
}
_U8 = PRIMITIVES["u8"]
_U32 = PRIMITIVES["u32"]


def _read_count(data: bytes, at: int) -> tuple[int, int]:
    end = at + 4
    if end > len(data):
        raise LayoutError("cut short")
    return int.from_bytes(data[at:end], "little"), end


class String:
    """UTF-8 with its length in front; bytes that are not UTF-8 become U+FFFD, as in Anchor's own coder."""

    def read(self, data: bytes, at: int) -> tuple[str, int]:
        size, start = _read_count(data, at)
        end = start + size
        if end > len(data):
            raise LayoutError("cut short")
        return data[start:end].decode("utf-8", "replace"), end

    def write(self, value: str, out: bytearray) -> None:
        encoded = value.encode()
        _U32.write(len(encoded), out)
        out += encoded


class Vec:
    """A counted list."""

    def __init__(self, item: Codec) -> None:
        self.item = item

    def read(self, data: bytes, at: int) -> tuple[list[Any], int]:
        count, at = _read_count(data, at)
        values = []
        for _ in range(count):
            value, at = self.item.read(data, at)
            values.append(value)
        return values, at

    def write(self, value: list[Any], out: bytearray) -> None:
        _U32.write(len(value), out)
        for item in value:
            self.item.write(item, out)


class Array:
    """A list of known length."""

    def __init__(self, item: Codec, size: int) -> None:
        self.item = item
        self.size = size

    def read(self, data: bytes, at: int) -> tuple[list[Any], int]:
        values = []
        for _ in range(self.size):
            value, at = self.item.read(data, at)
            values.append(value)
        return values, at

    def write(self, value: list[Any], out: bytearray) -> None:
        for item in value:
            self.item.write(item, out)


class Option:
    """A value or nothing, told by one byte."""

    def __init__(self, item: Codec) -> None:
        self.item = item

    def read(self, data: bytes, at: int) -> tuple[Any, int]:
        tag, at = _U8.read(data, at)
        if tag > 1:
            raise LayoutError("an option is neither 0 nor 1")
        return self.item.read(data, at) if tag else (None, at)

    def write(self, value: Any, out: bytearray) -> None:
        out.append(value is not None)
        if value is not None:
            self.item.write(value, out)


class Variant:
    """An enum without payload, by name."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def read(self, data: bytes, at: int) -> tuple[str, int]:
        index, at = _U8.read(data, at)
        if index >= len(self.names):
            raise LayoutError("unknown enum variant")
        return self.names[index], at

    def write(self, value: str, out: bytearray) -> None:
        out.append(self.names.index(value))


class _Run:
    """Neighbouring fields of fixed size, read at once."""

    def __init__(self, fields: list[tuple[str, Fixed]]) -> None:
        self._fields = fields
        self._struct = struct.Struct("<" + "".join(codec.form for _, codec in fields))
        self.size = self._struct.size
        self.names = tuple(name for name, _ in fields)
        self._fixups = tuple((i, codec.after) for i, (_, codec) in enumerate(fields) if codec.after)

    @cached_property
    def shorter(self) -> dict[int, "_Run"]:
        """The runs of its first fields, by size: how older versions of a record end."""
        runs = (_Run(self._fields[:count]) for count in range(len(self._fields)))
        return {run.size: run for run in runs}

    def read_into(self, fields: Fields, data: bytes, at: int) -> None:
        values = list(self._struct.unpack_from(data, at))
        for index, fix in self._fixups:
            values[index] = fix(values[index])
        fields.update(zip(self.names, values, strict=True))


class Record:
    """Named fields in order."""

    def __init__(self, fields: dict[str, Codec]) -> None:
        self.fields = fields
        self._steps = tuple(_steps(fields))

    def read(self, data: bytes, at: int) -> tuple[Fields, int]:
        values: Fields = {}
        for step in self._steps:
            at = self._read_step(step, data, at, values)
        return values, at

    def read_prefix(self, data: bytes, at: int = 0) -> Prefix:
        """Reads as many whole fields as there are bytes for; LayoutError when the bytes end inside a field."""
        values: Fields = {}
        step: _Run | str
        for step in self._steps:
            if at == len(data):
                break
            if isinstance(step, _Run) and at + step.size > len(data):
                step = step.shorter.get(len(data) - at, step)
            at = self._read_step(step, data, at, values)
        missing = () if len(values) == len(self.fields) else tuple(name for name in self.fields if name not in values)
        return Prefix(values, missing, data[at:])

    def write(self, value: Fields, out: bytearray) -> None:
        for name, codec in self.fields.items():
            if name not in value:
                return  # An older version: later fields did not exist yet.
            codec.write(value[name], out)

    def _read_step(self, step: "_Run | str", data: bytes, at: int, values: Fields) -> int:
        if isinstance(step, _Run):
            end = at + step.size
            if end > len(data):
                raise LayoutError(f"cut short in {step.names[0]}")
            step.read_into(values, data, at)
            return end
        try:
            values[step], at = self.fields[step].read(data, at)
        except LayoutError as error:
            raise LayoutError(f"{error} in {step}") from None
        return at


def _steps(fields: dict[str, Codec]) -> list[_Run | str]:
    """Groups neighbouring fixed fields into runs; the others stand alone by name."""
    steps: list[_Run | str] = []
    run: list[tuple[str, Fixed]] = []
    for name, codec in fields.items():
        if isinstance(codec, Fixed):
            run.append((name, codec))
            continue
        if run:
            steps.append(_Run(run))
            run = []
        steps.append(name)
    return [*steps, _Run(run)] if run else steps
