"""A transaction in wire bytes (what base64 encodings carry): legacy, version 0, version 1.

Own reader because the three differ little and solders does not know version 1. Sources: the Solana documentation of the
legacy and v0 formats, SIMD-0385 for v1: its message comes first, and as many signatures as the header requires follow.
"""

import struct
from typing import Final, NamedTuple

from indexer.base58 import address, encode

_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_VERSION_FLAG: Final = 0x80
_V1: Final = 0x81
_MAX_SHORT_BYTES: Final = 3
_INSTRUCTION_HEADER: Final = struct.Struct("<BBH")


class WireError(ValueError):
    """Bytes that are no transaction; the text says where they stop being one."""


class WireInstruction(NamedTuple):
    """An outer instruction by account indexes."""

    program_index: int
    accounts: tuple[int, ...]
    data: bytes


class WireTransaction(NamedTuple):
    """What the indexer needs of a transaction's own bytes."""

    signatures: tuple[str, ...]
    signers: int
    keys: tuple[str, ...]
    """Static keys only: those of lookup tables are in the meta."""
    instructions: tuple[WireInstruction, ...]


class _Reader:
    """Takes bytes from the front; WireError when there are too few."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int) -> bytes:
        end = self._at + count
        if end > len(self._data):
            raise WireError(f"transaction cut short at byte {len(self._data)}")
        taken = self._data[self._at : end]
        self._at = end
        return taken

    def byte(self) -> int:
        return self.take(1)[0]

    def short(self) -> int:
        """Solana's compact-u16: seven bits a byte, at most three bytes."""
        value = 0
        for index in range(_MAX_SHORT_BYTES):
            part = self.byte()
            value |= (part & 0x7F) << 7 * index
            if part < _VERSION_FLAG:
                return value
        raise WireError("a length takes more than three bytes")

    def keys(self, count: int) -> tuple[str, ...]:
        return tuple(address(self.take(_KEY_BYTES)) for _ in range(count))

    def signatures(self, count: int) -> tuple[str, ...]:
        return tuple(encode(self.take(_SIGNATURE_BYTES)) for _ in range(count))


def read_transaction(data: bytes) -> WireTransaction:
    """Reads any version; WireError when it is none."""
    reader = _Reader(data)
    if data[:1] == bytes([_V1]):
        return _read_v1(reader)
    signatures = reader.signatures(reader.short())
    first = reader.byte()
    if first == _VERSION_FLAG:
        signers = reader.byte()
    elif first < _VERSION_FLAG:
        signers = first
    else:
        raise WireError(f"unknown message version {first & 0x7F}")
    reader.take(2)  # How many of the keys are read-only.
    keys = reader.keys(reader.short())
    reader.take(_KEY_BYTES)  # Recent blockhash.
    instructions = tuple(_read_instruction(reader) for _ in range(reader.short()))
    return WireTransaction(signatures, signers, keys, instructions)


def _read_instruction(reader: _Reader) -> WireInstruction:
    program = reader.byte()
    accounts = tuple(reader.take(reader.short()))
    return WireInstruction(program, accounts, reader.take(reader.short()))


def _read_v1(reader: _Reader) -> WireTransaction:
    reader.byte()
    signers = reader.byte()
    reader.take(2)
    mask = int.from_bytes(reader.take(4), "little")
    reader.take(_KEY_BYTES)  # Lifetime specifier.
    instructions, addresses = reader.byte(), reader.byte()
    keys = reader.keys(addresses)
    reader.take(4 * mask.bit_count())  # Config values: four bytes for each bit.
    headers = [_INSTRUCTION_HEADER.unpack(reader.take(_INSTRUCTION_HEADER.size)) for _ in range(instructions)]
    payloads = tuple(
        WireInstruction(program, tuple(reader.take(accounts)), reader.take(size)) for program, accounts, size in headers
    )
    return WireTransaction(reader.signatures(signers), signers, keys, payloads)
