"""What is true on a chain, for a judge: its canonical transactions, with the events that our decoders find in them."""

from collections.abc import Iterator

import msgspec

from app.domain.events import Event, Trade
from app.domain.programs import Commitment
from indexer.decoders import decode
from indexer.parse import parse
from node.blocks import Block
from node.chain import Chain


class TrueTransaction(msgspec.Struct, frozen=True, gc=False):
    """One transaction that mentions a known program and succeeded."""

    signature: str
    slot: int
    index: int
    """In its block."""
    events: tuple[Event, ...]


def truth(chain: Chain, *, first: int | None = None, last: int | None = None) -> Iterator[TrueTransaction]:
    """Transactions with events from slot `first` to `last`, in chain order; the whole present fork unless given."""
    for block in chain.blocks(chain.first_slot if first is None else first, chain.slot if last is None else last):
        yield from truth_of(block)


def true_trades(chain: Chain, *, first: int | None = None, last: int | None = None) -> dict[bytes, Trade]:
    """The trades of `truth` by identity."""
    events = (event for each in truth(chain, first=first, last=last) for event in each.events)
    return {event.identity: event for event in events if isinstance(event, Trade)}


def truth_of(block: Block) -> Iterator[TrueTransaction]:
    """The same of one block, retracted or not."""
    for index, landed in enumerate(block.transactions):
        if landed.error is not None:
            continue
        for transaction in parse(block.transaction_json(index), Commitment.FINALIZED).transactions:
            events = decode(transaction).events
            if events:
                yield TrueTransaction(landed.signature, block.slot, index, events)
