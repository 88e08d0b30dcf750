"""A getBlock answer to a block with the transactions that concern us: the others are passed over unread.

Own reading because solana-py's does not know transactions of version 1, and takes as long only to make objects of all
2,000 transactions, which would then have to be turned into ours (`bench/block.py`).
"""

from typing import Final

import msgspec

from app.domain.programs import Commitment
from indexer.decoders import MENTIONED
from indexer.rpc.answers import read_answer
from indexer.rpc_json import JsonTransaction, Place, build_transaction
from indexer.transaction import Transaction

_MENTIONED: Final = tuple(each.encode() for each in MENTIONED)


class Link(msgspec.Struct, frozen=True, gc=False):
    """A block's place in the chain."""

    slot: int
    blockhash: str
    parent_slot: int
    parent_hash: str


class Block(msgspec.Struct, frozen=True, gc=False):
    """A block with those of its transactions that may hold events of ours, failed ones among them."""

    link: Link
    transactions: tuple[Transaction, ...]
    unreadable: tuple[str, ...] = ()
    """Why some of them cannot be read."""
    missing: str | None = None
    """Why the node gave none of them; None where it gave all."""


class _Link(msgspec.Struct, gc=False):
    blockhash: str
    previousBlockhash: str
    parentSlot: int


class _Block(_Link, gc=False):
    transactions: list[msgspec.Raw]
    blockTime: int | None = None


_TRANSACTION = msgspec.json.Decoder(JsonTransaction)


def read_block(answer: bytes, slot: int, commitment: Commitment) -> Block | None:
    """The block, or None where the node answers null; errors as of `read_answer`."""
    source = read_answer(answer, _Block | None)
    if source is None:
        return None
    transactions, unreadable = [], []
    for index, raw in enumerate(source.transactions):
        text = bytes(raw)
        if any(address in text for address in _MENTIONED):  # a third of what one regular expression for all costs
            try:
                place = Place(commitment, slot, source.blockTime, index)
                transactions.append(build_transaction(_TRANSACTION.decode(text), place))
            except (ValueError, RecursionError) as error:
                unreadable.append(f"transaction {index} of block {slot}: {error}")
    return Block(_link(source, slot), tuple(transactions), tuple(unreadable))


def read_link(answer: bytes, slot: int) -> Link | None:
    """The same of a block without its transactions."""
    source = read_answer(answer, _Link | None)
    return None if source is None else _link(source, slot)


def _link(source: _Link, slot: int) -> Link:
    return Link(slot, source.blockhash, source.parentSlot, source.previousBlockhash)
