"""One transaction on its way to the writer: its events, its balances, and what of it could not be read."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from app.domain.events import MAX_EVENT_INDEX, Event, pack_position
from app.errors import DecodeError
from app.store.dead_letters import DeadLetter
from app.store.writer_accounts import Balance
from app.store.writer_batch import arrive
from app.store.writer_trades import Arrived
from indexer.decoders import decode
from indexer.decoders.context import PoolMints
from indexer.transaction import Transaction

EARLIEST, LATEST = 1_584_316_800, 4_102_444_800
"""Unix seconds: Solana's first day, 2020-03-16, and the year 2100. A record outside has no believable time."""
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Transaction)


@dataclass(slots=True)
class Entry:
    """What is stored of a transaction, together or not at all."""

    transaction: Transaction
    events: list[Event] = field(default_factory=list)
    balances: list[Balance] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    arrived: list[Arrived] = field(default_factory=list)
    """The events, made ready for the writer."""

    @property
    def rows(self) -> int:
        return len(self.events) + len(self.balances)


def read_entry(transaction: Transaction, pools: Mapping[str, PoolMints]) -> Entry:
    """Decodes a transaction; what a known program emitted and we could not read becomes a dead letter."""
    decoded = decode(transaction, pools)
    failures = list(decoded.failures)
    events = [event for event in decoded.events if EARLIEST <= event.block_time < LATEST]
    if len(events) < len(decoded.events):
        failures.append(DecodeError("block time out of range"))
    letters = dead_letters(transaction, failures)
    return Entry(transaction, events, _balances(transaction, events), letters, arrive(events))


def dead_letters(transaction: Transaction, failures: Sequence[DecodeError]) -> list[DeadLetter]:
    """A letter for each failure, with the whole transaction, so that it can be decoded again."""
    if not failures:
        return []
    packed = _encoder.encode(transaction)
    return [DeadLetter(transaction.signature, transaction.slot, each.program, each.cause, packed) for each in failures]


def transaction_of(letter: DeadLetter) -> Transaction:
    """The transaction that a dead letter keeps."""
    return _decoder.decode(letter.transaction)


def _balances(transaction: Transaction, events: Sequence[Event]) -> list[Balance]:
    """Balances of the mints that the events speak of. Their place is after the transaction's last event."""
    if not events or not transaction.post_balances:
        return []
    mints = {event.mint for event in events}
    position = pack_position(transaction.slot, transaction.transaction_index, MAX_EVENT_INDEX)
    name = hashlib.blake2b(transaction.signature.encode(), digest_size=16).digest()
    key = (events[0].block_time, position, name)
    return [Balance(key, held) for held in transaction.post_balances if held.mint in mints]
