"""Transactions that no program should have written: mixed into a chain, they must harm nothing but themselves."""

from collections.abc import Callable
from random import Random
from typing import Any, Final

import msgspec

from app.domain.events import Launch
from app.domain.programs import Commitment
from indexer import base58
from indexer.decoders import decode
from indexer.decoders.anchor import SELF_CPI
from indexer.parse import parse
from node.landed import Landed

_HEAD: Final = len(SELF_CPI) + 8
"""Bytes before the fields of an event: that it is one, and which."""
Spoil = Callable[[bytes], bytes]


def poisoned(landed: Landed, dice: Random) -> list[Landed]:
    """What takes the place of a transaction: a launch under an impossible name; of others, itself and a spoilt twin."""
    events = [event for each in parse(landed.json, Commitment.CONFIRMED).transactions for event in decode(each).events]
    launches = [event for event in events if isinstance(event, Launch)]
    if launches:
        name = (launches[0].name or "").encode()
        other = dice.choice((b"\x00", b"\xff", b"\xe2\x82")) * len(name)
        return [_changed(landed, landed.signature, lambda data: data.replace(name, other[: len(name)]))]
    signature = base58.encode(b"\x80" + dice.randbytes(63))
    return [landed, _changed(landed, signature, dice.choice((_short, _wrong, _empty, _huge, _untrue, _long)))]


def _short(data: bytes) -> bytes:
    return data[: _HEAD + 20]


def _empty(data: bytes) -> bytes:
    return data[:_HEAD]


def _wrong(data: bytes) -> bytes:
    return data[: len(SELF_CPI)] + bytes(8) + data[_HEAD:]


def _huge(data: bytes) -> bytes:
    """Where a trade on a curve has its two amounts: the largest there are. It reads well, and must be stored."""
    return data[: _HEAD + 32] + b"\xff" * 16 + data[_HEAD + 48 :]


def _untrue(data: bytes) -> bytes:
    """Neither flags nor lengths nor times are what they can be."""
    return data[:_HEAD] + b"\xff" * (len(data) - _HEAD)


def _long(data: bytes) -> bytes:
    return data + b"\x01" * 4_000


def _changed(landed: Landed, signature: str, spoil: Spoil) -> Landed:
    """The transaction under a signature, every event in it spoilt."""
    form: dict[str, Any] = msgspec.json.decode(landed.json.replace(landed.signature.encode(), signature.encode()))
    calls = [call for inner in form["meta"]["innerInstructions"] for call in inner["instructions"]]
    for call in calls:
        data = base58.decode(call["data"])
        if data.startswith(SELF_CPI):
            call["data"] = base58.encode(spoil(data))
    json = msgspec.json.encode(form)
    return Landed(signature, json, landed.mentions, landed.logs, landed.error, landed.version)
