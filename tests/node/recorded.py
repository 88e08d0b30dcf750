"""Recorded transactions, of any age and form, brought to the `json` encoding that a node of today writes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from indexer import base58
from indexer.recordings import list_files, read_pieces
from node.landed import Landed

_BLOCKHASH: Final = base58.address(b"recent blockhash of a recording.")
_ENVELOPES: Final = ("result", "params", "value", "block")


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """A recorded transaction with the slot and time that it was recorded with."""

    slot: int | None
    time: int | None
    landed: Landed


def read_recordings(path: Path) -> Iterator[Recorded]:
    """The transactions of a file or folder, in order of names and lines. Left out is what no block can be made of:
    logs alone, raw events, and text encodings."""
    for file in list_files(path):
        for piece in read_pieces(file):
            if piece.why is None:
                yield from _walk(_decoded(piece.data), None, None)


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except ValueError:
        return None


def _walk(found: Any, slot: int | None, time: int | None) -> Iterator[Recorded]:
    if isinstance(found, list):
        for each in found:
            yield from _walk(each, slot, time)
    if not isinstance(found, dict):
        return
    slot, time = found.get("slot", slot), found.get("blockTime", time)
    if isinstance(found.get("transaction"), dict) and found.get("meta"):
        if found["transaction"].get("message") and found["transaction"].get("signatures"):
            yield Recorded(slot, time, _landed(found))
    elif "transactions" in found:
        yield from _walk(found["transactions"], slot, time)
    else:
        for name in _ENVELOPES:
            yield from _walk(found.get(name), slot, time)


def _landed(found: dict[str, Any]) -> Landed:
    message, meta = found["transaction"]["message"], found["meta"]
    signatures = found["transaction"]["signatures"]
    static, writable, readonly = _keys(message["accountKeys"], meta.get("loadedAddresses") or {})
    index = {key: at for at, key in enumerate([*static, *writable, *readonly])}
    version = found.get("version")
    err = meta.get("err")
    form = {
        "transaction": {"signatures": signatures, "message": _message(message, static, index, len(signatures))},
        "meta": _meta(meta, index, writable, readonly),
        "version": "legacy" if version is None else version,
    }
    return Landed(
        signatures[0],
        msgspec.json.encode(form),
        frozenset(index),
        None if meta.get("logMessages") is None else tuple(meta["logMessages"]),
        None if err is None else msgspec.json.encode(err),
        version if isinstance(version, int) else None,
    )


def _keys(keys: list[Any], loaded: dict[str, list[str]]) -> tuple[list[str], list[str], list[str]]:
    """Static, loaded writable and loaded readonly addresses; jsonParsed has all three in one list."""
    if all(isinstance(key, str) for key in keys):
        return keys, loaded.get("writable", []), loaded.get("readonly", [])
    from_table = [key for key in keys if key.get("source") == "lookupTable"]
    return (
        [key["pubkey"] for key in keys if key.get("source") != "lookupTable"],
        [key["pubkey"] for key in from_table if key["writable"]],
        [key["pubkey"] for key in from_table if not key["writable"]],
    )


def _message(message: dict[str, Any], static: list[str], index: dict[str, int], signers: int) -> dict[str, Any]:
    kept = {name: message[name] for name in ("addressTableLookups", "transactionConfig") if message.get(name)}
    header = {"numReadonlySignedAccounts": 0, "numReadonlyUnsignedAccounts": 0, "numRequiredSignatures": signers}
    return {
        "accountKeys": static,
        "header": {**header, **(message.get("header") or {})},
        "recentBlockhash": message.get("recentBlockhash") or _BLOCKHASH,
        "instructions": [_instruction(each, index) for each in message["instructions"]],
        **kept,
    }


def _instruction(source: dict[str, Any], index: dict[str, int]) -> dict[str, Any]:
    """By index. One that was recorded fully parsed has lost its data: it stands there empty."""
    program = source.get("programIdIndex")
    accounts = source.get("accounts", [])
    return {
        "programIdIndex": index[source["programId"]] if program is None else program,
        "accounts": [index[each] if isinstance(each, str) else each for each in accounts],
        "data": source.get("data", ""),
        "stackHeight": source.get("stackHeight"),
    }


def _meta(meta: dict[str, Any], index: dict[str, int], writable: list[str], readonly: list[str]) -> dict[str, Any]:
    err = meta.get("err")
    inner = meta.get("innerInstructions")
    nothing = [0] * len(index)
    return {
        "err": err,
        "status": {"Ok": None} if err is None else {"Err": err},
        "fee": meta.get("fee") or 0,
        "preBalances": meta.get("preBalances") or nothing,
        "postBalances": meta.get("postBalances") or nothing,
        "innerInstructions": inner
        and [{**g, "instructions": [_instruction(i, index) for i in g["instructions"]]} for g in inner],
        "logMessages": meta.get("logMessages"),
        "preTokenBalances": [_balance(each) for each in meta.get("preTokenBalances") or ()],
        "postTokenBalances": [_balance(each) for each in meta.get("postTokenBalances") or ()],
        "rewards": [],
        "loadedAddresses": {"writable": writable, "readonly": readonly},
        "computeUnitsConsumed": meta.get("computeUnitsConsumed"),
    }


def _balance(balance: dict[str, Any]) -> dict[str, Any]:
    amount = balance["uiTokenAmount"]
    text = amount.get("uiAmountString") or str(int(amount["amount"]) / 10 ** amount["decimals"])
    return {**balance, "uiTokenAmount": {"uiAmount": None, **amount, "uiAmountString": text}}
