"""Mint and metadata accounts: supply, decimals and names of tokens, and where these accounts are. Pure.

Layouts: SPL Token `Mint` (82 bytes) and `Account` (165 bytes); Token-2022 extensions follow at byte 166: type, length,
value ("Token-2022 Extensions", Solana documentation; type 19 is TokenMetadata of spl-token-metadata-interface);
Metaplex Token Metadata, account `Metadata` (key 4).
"""

import struct
from typing import Final, NamedTuple

from solders.pubkey import Pubkey

from app.domain.programs import PUMP_FUN, SPL_TOKEN, TOKEN_2022
from app.errors import DecodeError

METAPLEX: Final = "metaqbxxUerdq28cj1RbAWkYQm3ybzjb6a8bt518x1s"
_MINT_BYTES: Final = 82
_ACCOUNT_BYTES: Final = 165
_MINT_TYPE: Final = 1
_TOKEN_METADATA: Final = 19
_SUPPLY: Final = struct.Struct("<36xQB?")
_AMOUNT: Final = struct.Struct("<32s32sQ")
_ENTRY: Final = struct.Struct("<HH")
_LENGTH: Final = struct.Struct("<I")
_TWO_KEYS: Final = 64
"""Update authority and mint, before the names."""
_METADATA_KEY: Final = 4


class Names(NamedTuple):
    """What a token calls itself on chain; None where it is empty."""

    name: str | None
    symbol: str | None
    uri: str | None


NO_NAMES: Final = Names(None, None, None)


class Mint(NamedTuple):
    """A mint account; `names` are those of Token-2022's own extension."""

    supply: int
    """Raw."""
    decimals: int
    names: Names


def read_mint(owner: str, data: bytes) -> Mint:
    """A mint of either token program; DecodeError when it is none."""
    if owner not in (SPL_TOKEN, TOKEN_2022) or len(data) < _MINT_BYTES or len(data) == _ACCOUNT_BYTES:
        raise DecodeError("not a mint account", program=owner)
    supply, decimals, is_initialized = _SUPPLY.unpack_from(data)
    if not is_initialized:
        raise DecodeError("a mint account that is not initialized", program=owner)
    return Mint(supply, decimals, _extended_names(data) if owner == TOKEN_2022 else NO_NAMES)


def read_metadata(owner: str, data: bytes) -> Names:
    """The names in a Metaplex metadata account; DecodeError when it is none."""
    if owner != METAPLEX or data[:1] != bytes([_METADATA_KEY]):
        raise DecodeError("not a metadata account", program=owner)
    return _names(data, 1 + _TWO_KEYS)


def read_amount(owner: str, data: bytes) -> int:
    """The raw balance of a token account; DecodeError when it is none."""
    if owner not in (SPL_TOKEN, TOKEN_2022) or len(data) < _ACCOUNT_BYTES:
        raise DecodeError("not a token account", program=owner)
    amount: int = _AMOUNT.unpack_from(data)[2]
    return amount


def metadata_address(mint: str) -> str:
    """Of the Metaplex metadata account of a mint (Token Metadata documentation: seeds `metadata`, program, mint)."""
    program, key = Pubkey.from_string(METAPLEX), Pubkey.from_string(mint)
    return str(Pubkey.find_program_address([b"metadata", bytes(program), bytes(key)], program)[0])


def bonding_curve_address(mint: str) -> str:
    """Of pump.fun's curve of a mint (IDL pump 0.1.0: seeds `bonding-curve`, mint)."""
    key = Pubkey.from_string(mint)
    return str(Pubkey.find_program_address([b"bonding-curve", bytes(key)], Pubkey.from_string(PUMP_FUN))[0])


def _extended_names(data: bytes) -> Names:
    if len(data) <= _ACCOUNT_BYTES or data[_ACCOUNT_BYTES] != _MINT_TYPE:
        return NO_NAMES
    place = _ACCOUNT_BYTES + 1
    while place + _ENTRY.size <= len(data):
        kind, length = _ENTRY.unpack_from(data, place)
        place += _ENTRY.size
        if kind == _TOKEN_METADATA:
            return _names(data[place : place + length], _TWO_KEYS)
        place += length
    return NO_NAMES


def _names(data: bytes, place: int) -> Names:
    """Three strings, each after its length; Metaplex pads them with NUL."""
    texts: list[str | None] = []
    for _ in range(3):
        if place + _LENGTH.size > len(data):
            raise DecodeError("names are cut off")
        (length,) = _LENGTH.unpack_from(data, place)
        place += _LENGTH.size
        if place + length > len(data):
            raise DecodeError("names are cut off")
        texts.append(data[place : place + length].decode("utf-8", "replace").replace("\0", "").strip() or None)
        place += length
    return Names(*texts)
