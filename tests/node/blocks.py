"""A block of the chain, and its JSON in every detail that getBlock offers."""

from collections.abc import Callable
from copy import copy
from functools import cached_property
from hashlib import blake2b
from typing import Any, Final

import msgspec

from indexer import base58
from node.foreign import VOTE_PROGRAM
from node.landed import Landed
from node.wire import base64_of


class _Parts(msgspec.Struct, gc=False):
    transaction: msgspec.Raw
    meta: msgspec.Raw
    version: int | str


_PARTS: Final = msgspec.json.Decoder(_Parts)
_ACCOUNTS_META: Final = ("err", "status", "fee", "preBalances", "postBalances", "preTokenBalances", "postTokenBalances")


class Block:
    """Never changes; a fork makes another one with another hash."""

    def __init__(
        self, slot: int, parent: "Block | None", time: int, transactions: tuple[Landed, ...], key: bytes
    ) -> None:
        self.slot = slot
        self.parent_slot = parent.slot if parent else slot - 1
        self.previous_hash: str = parent.hash if parent else address_of(b"genesis" + key)
        self.height: int = parent.height + 1 if parent else slot - slot // 20
        self.time = time
        self.transactions = transactions
        self.hash: str = address_of(key + slot.to_bytes(8, "little") + self.previous_hash.encode())

    def json(self, details: str = "full", encoding: str = "json", *, rewards: bool = True) -> bytes:
        """The result of getBlock."""
        head: dict[str, Any] = {
            "blockHeight": self.height,
            "blockTime": self.time,
            "blockhash": self.hash,
            "parentSlot": self.parent_slot,
            "previousBlockhash": self.previous_hash,
        }
        if rewards:
            head["rewards"] = []
        if details == "signatures":
            head["signatures"] = [each.signature for each in self.transactions]
        written = msgspec.json.encode(head)
        if details in ("none", "signatures"):
            return written
        elements = self._full if encoding == "json" and details == "full" else self._written(details, encoding)
        return written[:-1] + b',"transactions":[' + elements + b"]}"

    def only(self, wanted: Callable[[Landed], bool]) -> "Block":
        """The same block with some of its transactions, as blockSubscribe filters."""
        block = copy(self)
        for computed in ("size", "newest_version"):
            vars(block).pop(computed, None)
        block.transactions = tuple(each for each in self.transactions if wanted(each))
        return block

    def transaction_json(self, index: int, encoding: str = "json") -> bytes:
        """The result of getTransaction."""
        head = {"slot": self.slot, "blockTime": self.time, "transactionIndex": index}
        return msgspec.json.encode(head)[:-1] + b"," + encoded(self.transactions[index], encoding)[1:]

    @cached_property
    def newest_version(self) -> int | None:
        """The highest transaction version in it; None when all are legacy."""
        return max((each.version for each in self.transactions if each.version is not None), default=None)

    @cached_property
    def size(self) -> int:
        """Bytes of its transactions' JSON."""
        return sum([len(each.json) for each in self.transactions])

    @property
    def _full(self) -> bytes:
        return b",".join([each.json for each in self.transactions])

    def _written(self, details: str, encoding: str) -> bytes:
        if details == "accounts":
            return b",".join([_accounts(each) for each in self.transactions])
        return b",".join([encoded(each, encoding) for each in self.transactions])


def encoded(landed: Landed, encoding: str) -> bytes:
    """An element of getBlock in `json` or `base64`."""
    if encoding == "json":
        return landed.json
    parts = _PARTS.decode(landed.json)
    text = base64_of(msgspec.json.decode(parts.transaction), parts.version)
    return msgspec.json.encode({"transaction": [text, "base64"], "meta": parts.meta, "version": parts.version})


def _accounts(landed: Landed) -> bytes:
    """With transactionDetails `accounts`: no instructions, no logs."""
    form = msgspec.json.decode(landed.json)
    message, meta = form["transaction"]["message"], form["meta"]
    signers = message["header"]["numRequiredSignatures"]
    keys = [_key(key, "transaction", signer=at < signers) for at, key in enumerate(message["accountKeys"])]
    loaded = meta["loadedAddresses"]
    keys += [_key(key, "lookupTable") for key in (*loaded["writable"], *loaded["readonly"])]
    transaction = {"accountKeys": keys, "signatures": form["transaction"]["signatures"]}
    kept = {name: meta[name] for name in _ACCOUNTS_META}
    return msgspec.json.encode({"transaction": transaction, "meta": kept, "version": form["version"]})


def _key(pubkey: str, source: str, *, signer: bool = False) -> dict[str, Any]:
    return {"pubkey": pubkey, "signer": signer, "source": source, "writable": True}


def is_vote(landed: Landed) -> bool:
    """Whether it is a validator's vote, which most subscriptions leave out."""
    return VOTE_PROGRAM in landed.mentions


def address_of(text: bytes) -> str:
    """A made-up address or hash that follows from a text."""
    return base58.address(blake2b(text, digest_size=32).digest())
