"""Accounts of the token programs and of Metaplex, written: mints, holdings, names.

Layouts: SPL Token `Mint` (82 bytes) and `Account` (165); Token-2022 extensions (type, length, value) from byte 166,
where 18 points to the metadata and 19 is the metadata; Metaplex Token Metadata, account `Metadata` (key 4).
"""

import struct
from typing import Final

from solders.pubkey import Pubkey

from indexer import base58

METAPLEX: Final = "metaqbxxUerdq28cj1RbAWkYQm3ybzjb6a8bt518x1s"
_MINT: Final = struct.Struct("<I32sQB?I32s")
_HOLDING: Final = struct.Struct("<32s32sQI32sBIQQI32s")
_ACCOUNT_BYTES: Final = 165
_MINT_ACCOUNT: Final = 1
_METADATA_POINTER, _TOKEN_METADATA = 18, 19


def mint(address: str, supply: int, decimals: int, names: tuple[str, str, str] | None) -> bytes:
    """A mint without authorities; with `names` (name, symbol, URI) one of Token-2022 that carries them itself."""
    plain = _MINT.pack(0, bytes(32), supply, decimals, True, 0, bytes(32))
    if names is None:
        return plain
    key = base58.address_bytes(address)
    metadata = bytes(32) + key + _texts(names) + bytes(4)
    extensions = _entry(_METADATA_POINTER, bytes(32) + key) + _entry(_TOKEN_METADATA, metadata)
    return plain.ljust(_ACCOUNT_BYTES, b"\0") + bytes([_MINT_ACCOUNT]) + extensions


def holding(mint: str, owner: str, amount: int) -> bytes:
    """An initialized token account."""
    keys = base58.address_bytes(mint), base58.address_bytes(owner)
    return _HOLDING.pack(*keys, amount, 0, bytes(32), 1, 0, 0, 0, 0, bytes(32))


def metadata(mint: str, names: tuple[str, str, str]) -> bytes:
    """The Metaplex account of a mint, which pads its texts with zeros: 32, 10 and 200 bytes."""
    padded = [text.encode().ljust(size, b"\0") for text, size in zip(names, (32, 10, 200), strict=True)]
    texts = b"".join(struct.pack("<I", len(each)) + each for each in padded)
    return b"\x04" + bytes(32) + base58.address_bytes(mint) + texts + bytes(2) + b"\0\1\1"


def metadata_address(mint: str) -> str:
    """Of the Metaplex account of a mint (Token Metadata documentation)."""
    program = Pubkey.from_string(METAPLEX)
    seeds = [b"metadata", bytes(program), base58.address_bytes(mint)]
    return str(Pubkey.find_program_address(seeds, program)[0])


def _texts(names: tuple[str, str, str]) -> bytes:
    return b"".join(struct.pack("<I", len(text.encode())) + text.encode() for text in names)


def _entry(kind: int, value: bytes) -> bytes:
    return struct.pack("<HH", kind, len(value)) + value
