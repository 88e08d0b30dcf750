"""Recorded or received JSON, of any form, to transactions: what cannot be used is said, never raised.

Forms, told apart by their fields: getTransaction and getBlock results, block and logs notifications, with or without
their JSON-RPC envelope; bare elements of those; recorded raw events (`signature`, `events`); lists of all these.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import msgspec

from app.domain.events import Rate
from app.domain.programs import Commitment
from indexer.rpc_json import JsonTransaction, Place, build_transaction, check_signature, read_commitment
from indexer.transaction import Transaction, Unfit

_MAX_WHY: Final = 300
_MAX_DEPTH: Final = 8
"""Envelopes in envelopes: the deepest real form has four."""


class Parsed(msgspec.Struct, frozen=True, gc=False):
    """What one piece of input held."""

    transactions: tuple[Transaction, ...] = ()
    rates: tuple[Rate, ...] = ()
    """Quote rates of our own recordings."""
    unreadable: tuple[str, ...] = ()
    """Why parts of it are no transactions; the caller knows where it stands."""


class _Error(msgspec.Struct, gc=False):
    code: int | None = None
    message: str = ""


class _RawEvent(msgspec.Struct, gc=False):
    program_id: str
    data_hex: str


class _Context(msgspec.Struct, gc=False):
    slot: int | None = None


class _Params(msgspec.Struct, gc=False):
    result: msgspec.Raw


class _Piece(msgspec.Struct, gc=False):
    """The fields by which the forms are told apart."""

    transaction: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    transactions: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    signatures: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    result: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    params: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    error: _Error | None = None
    context: _Context | None = None
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    block: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    slot: int | None = None
    blockTime: int | None = None
    signature: str | None = None
    err: Any = None
    logs: list[str] | None = None
    events: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    rate: Rate | None = None
    simulated: bool = False
    commitment: str | None = None


Item: TypeAlias = Transaction | Rate | str
"""What a form holds; a text in its place says why it cannot be read."""
_PIECE = msgspec.json.Decoder(_Piece)
_PARAMS = msgspec.json.Decoder(_Params)
_TRANSACTION = msgspec.json.Decoder(JsonTransaction)
_EVENTS = msgspec.json.Decoder(list[_RawEvent])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_NULL: Final = b"null"


def parse(data: bytes, commitment: Commitment = Commitment.FINALIZED) -> Parsed:
    """The transactions of one JSON text, and why parts of it cannot be read. Never raises.

    `commitment` is that of the request; a recording that names its own keeps it.
    """
    place = Place(commitment)
    try:
        if transaction := _read_plain(data, place):
            return Parsed((transaction,))
    except (ValueError, RecursionError) as error:
        return Parsed(unreadable=(_why(error)[:_MAX_WHY],))
    items = list(_read(data, place, 0))
    return Parsed(
        tuple([item for item in items if isinstance(item, Transaction)]),
        tuple([item for item in items if isinstance(item, Rate)]),
        tuple([item[:_MAX_WHY] for item in items if isinstance(item, str)]),
    )


def _read(data: bytes | msgspec.Raw, place: Place, depth: int) -> Iterator[Item]:
    """Transactions, and in their place the reason where one cannot be read."""
    if depth > _MAX_DEPTH:
        yield "nested too deep"
        return
    try:
        if transaction := _read_plain(data, place):
            yield transaction
        elif _is_list(data):
            for element in _LIST.decode(data):
                yield from _read(element, place, depth + 1)
        else:
            yield from _read_piece(_PIECE.decode(data), data, place, depth)
    except (ValueError, RecursionError) as error:
        yield _why(error)


def _is_list(data: bytes | msgspec.Raw) -> bool:
    return bytes(memoryview(data)[:64]).lstrip()[:1] == b"["


def _read_plain(data: bytes | msgspec.Raw, place: Place) -> Transaction | None:
    """The most frequent form first, in one pass: a transaction with its meta. None when it is another form."""
    try:
        source = _TRANSACTION.decode(data)
    except msgspec.ValidationError:
        return None
    return build_transaction(source, place)


def _read_piece(piece: _Piece, data: bytes | msgspec.Raw, place: Place, depth: int) -> Iterator[Item]:
    place = _within(place, piece)
    if piece.error is not None:
        yield f"JSON-RPC error {piece.error.code}: {piece.error.message}"
    elif isinstance(piece.transaction, msgspec.Raw):
        _TRANSACTION.decode(data)  # Raises, and says what is wrong with it.
    elif isinstance(piece.params, msgspec.Raw):
        yield from _read(_PARAMS.decode(piece.params).result, place, depth + 1)
    elif isinstance(piece.result, msgspec.Raw):
        yield from _read_result(piece.result, place, depth)
    elif isinstance(piece.value, msgspec.Raw):
        yield from _read(piece.value, place, depth + 1)
    elif isinstance(piece.block, msgspec.Raw):
        yield from _read_block_field(piece.block, place, depth)
    elif isinstance(piece.transactions, msgspec.Raw):
        yield from _read_block(piece.transactions, place)
    elif piece.signature is not None and isinstance(piece.events, msgspec.Raw):
        yield _raw_events(piece.signature, _EVENTS.decode(piece.events), place)
    elif piece.signature is not None and (piece.logs is not None or piece.err is not None):
        yield _logs(piece.signature, piece, place)
    elif isinstance(piece.signatures, msgspec.Raw):
        yield "a block with signatures only (transactionDetails `signatures`)"
    elif piece.rate is not None:
        yield piece.rate
    elif not piece.simulated:  # else it is the mark in front of a recorded simulation
        yield "not a form of recording that is known"


def _within(place: Place, piece: _Piece) -> Place:
    """The place of what is inside: its slot and time, where this envelope tells them."""
    slot = piece.slot if piece.slot is not None else piece.context.slot if piece.context else None
    return Place(
        read_commitment(piece.commitment) or place.commitment,
        place.slot if slot is None else slot,
        place.block_time if piece.blockTime is None else piece.blockTime,
        place.index,
    )


def _read_result(result: msgspec.Raw, place: Place, depth: int) -> Iterator[Item]:
    if bytes(result) == _NULL:
        yield "the RPC answered null: no such transaction or block"
    elif bytes(memoryview(result)[:1]) not in (b"{", b"["):
        yield "an RPC answer that holds no transaction"
    else:
        yield from _read(result, place, depth + 1)


def _read_block_field(block: msgspec.Raw, place: Place, depth: int) -> Iterator[Item]:
    if bytes(block) != _NULL:
        yield from _read(block, place, depth + 1)
    else:
        yield "a block notification without block"


def _read_block(transactions: msgspec.Raw, place: Place) -> Iterator[Item]:
    for index, element in enumerate(_LIST.decode(transactions)):
        inside = Place(place.commitment, place.slot, place.block_time, index)
        try:
            yield build_transaction(_TRANSACTION.decode(element), inside)
        except (ValueError, RecursionError) as error:
            yield f"transaction {index} of the block: {_why(error)}"


def _logs(signature: str, piece: _Piece, place: Place) -> Transaction:
    failed = piece.err is not None
    return Transaction(
        signature=check_signature(signature),
        slot=place.slot or 0,
        transaction_index=None,
        block_time=place.block_time,
        commitment=place.commitment,
        failed=failed,
        logs=() if failed else tuple(piece.logs or ()),
        is_partial=True,
    )


def _raw_events(signature: str, events: list[_RawEvent], place: Place) -> Transaction:
    if not events:
        raise Unfit("a signature with no event")
    return Transaction(
        signature=check_signature(signature),
        slot=place.slot or 0,
        transaction_index=None,
        block_time=place.block_time,
        commitment=place.commitment,
        failed=False,
        events=tuple((event.program_id, _hex(event.data_hex)) for event in events),
        is_partial=True,
    )


def _hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Unfit("an event's data_hex is not hexadecimal") from None


def _why(error: BaseException) -> str:
    return str(error) if isinstance(error, ValueError) and not isinstance(error, UnicodeError) else "not UTF-8 JSON"
