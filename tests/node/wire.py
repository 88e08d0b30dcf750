"""A transaction's own bytes from its JSON, as base64 carries them: legacy, version 0, version 1 (SIMD-0385)."""

import struct
from base64 import b64encode
from typing import Any, Final

from indexer import base58

_CONFIG: Final = (
    ("priorityFee", "<Q"),
    ("computeUnitLimit", "<I"),
    ("loadedAccountsDataSizeLimit", "<I"),
    ("heapSize", "<I"),
)
"""Fields of a version 1 transaction's configuration; the fee takes the first two bits of the mask."""


def base64_of(transaction: dict[str, Any], version: Any) -> str:
    """`transaction` as getBlock's `json` writes it."""
    signatures = b"".join(base58.decode(each) for each in transaction["signatures"])
    message = transaction["message"]
    if version == 1:
        return b64encode(_version_1(message) + signatures).decode()
    body = _body(message)
    if version == 0:
        body = b"\x80" + body + _lookups(message.get("addressTableLookups") or [])
    return b64encode(compact(len(transaction["signatures"])) + signatures + body).decode()


def compact(value: int) -> bytes:
    """Solana's compact-u16, which is also how protobuf writes numbers."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _header(message: dict[str, Any]) -> bytes:
    header = message["header"]
    names = ("numRequiredSignatures", "numReadonlySignedAccounts", "numReadonlyUnsignedAccounts")
    return bytes(header[name] for name in names)


def _body(message: dict[str, Any]) -> bytes:
    keys = b"".join(base58.address_bytes(key) for key in message["accountKeys"])
    out = _header(message) + compact(len(message["accountKeys"])) + keys
    out += base58.address_bytes(message["recentBlockhash"]) + compact(len(message["instructions"]))
    for each in message["instructions"]:
        data = base58.decode(each["data"])
        out += bytes([each["programIdIndex"]]) + compact(len(each["accounts"])) + bytes(each["accounts"])
        out += compact(len(data)) + data
    return out


def _lookups(tables: list[dict[str, Any]]) -> bytes:
    out = compact(len(tables))
    for table in tables:
        out += base58.address_bytes(table["accountKey"])
        for indexes in (table["writableIndexes"], table["readonlyIndexes"]):
            out += compact(len(indexes)) + bytes(indexes)
    return out


def _version_1(message: dict[str, Any]) -> bytes:
    config, mask, values = message.get("transactionConfig") or {}, 0, b""
    for (name, form), bits in zip(_CONFIG, (0b11, 0b100, 0b1000, 0b10000), strict=True):
        if config.get(name) is not None:
            mask |= bits
            values += struct.pack(form, config[name])
    calls = [(each, base58.decode(each["data"])) for each in message["instructions"]]
    out = b"\x81" + _header(message) + mask.to_bytes(4, "little") + base58.address_bytes(message["recentBlockhash"])
    out += bytes([len(calls), len(message["accountKeys"])])
    out += b"".join(base58.address_bytes(key) for key in message["accountKeys"]) + values
    out += b"".join(
        struct.pack("<BBH", each["programIdIndex"], len(each["accounts"]), len(data)) for each, data in calls
    )
    return out + b"".join(bytes(each["accounts"]) + data for each, data in calls)
