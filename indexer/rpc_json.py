"""Transactions as Solana's JSON-RPC writes them (`json`, `jsonParsed`, base64 and base58 encodings) to `Transaction`.

msgspec reads only the fields named here and skips the rest. Kept are the instructions of programs that a decoder knows
(those of the token programs too, where the recording has no token balances to tell decimals) and, only where inner
instructions are missing, the logs: everything else would be paid for and never read.

A third of its length is the shapes of the JSON, which nothing else needs.
"""

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple, TypeAlias

import msgspec

from app.domain.events import TokenBalance
from app.domain.programs import Commitment
from indexer import base58
from indexer.decoders import KNOWN_PROGRAMS, WITHOUT_BALANCES
from indexer.transaction import Instruction, Transaction, Unfit, read_amount
from indexer.wire import WireInstruction, read_transaction

_INLINE_MAX: Final = 10_000


Index: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
"""Of an account in the transaction."""


class JsonInstruction(msgspec.Struct, gc=False):
    """Compiled (by index) or parsed (by address); a fully parsed one has no data."""

    programIdIndex: int | None = None
    programId: str | None = None
    accounts: list[Index | str] = []
    data: str | None = None
    stackHeight: int | None = None


class JsonInner(msgspec.Struct, gc=False):
    """The calls that one outer instruction made, in order."""

    index: int
    instructions: list[JsonInstruction]


class JsonAmount(msgspec.Struct, gc=False):
    amount: str
    decimals: int


class JsonBalance(msgspec.Struct, gc=False):
    accountIndex: Index
    mint: str
    uiTokenAmount: JsonAmount
    owner: str | None = None


class JsonLoaded(msgspec.Struct, gc=False):
    writable: list[str] = []
    readonly: list[str] = []


class JsonMeta(msgspec.Struct, gc=False):
    """What the transaction did."""

    err: Any = None
    fee: int | None = None
    innerInstructions: list[JsonInner] | None = None
    logMessages: msgspec.Raw = msgspec.Raw(b"null")
    preTokenBalances: list[JsonBalance] | None = None
    postTokenBalances: list[JsonBalance] | None = None
    loadedAddresses: JsonLoaded | None = None
    computeUnitsConsumed: int | None = None


class JsonKey(msgspec.Struct, gc=False):
    pubkey: str
    signer: bool = False


class JsonHeader(msgspec.Struct, gc=False):
    numRequiredSignatures: int


class JsonMessage(msgspec.Struct, gc=False):
    accountKeys: list[str | JsonKey]
    instructions: list[JsonInstruction]
    header: JsonHeader | None = None


class JsonSigned(msgspec.Struct, gc=False):
    """`message` is absent with transactionDetails `accounts`."""

    signatures: list[str]
    message: JsonMessage | None = None


Encoded: TypeAlias = JsonSigned | list[str] | str
"""JSON, or [text, encoding], or base58 text alone (the oldest encoding)."""


class JsonTransaction(msgspec.Struct, gc=False):
    """A getTransaction result or an element of a block."""

    transaction: Encoded
    meta: JsonMeta | None = None
    slot: int | None = None
    blockTime: int | None = None
    transactionIndex: int | None = None
    indexWithinBlock: int | None = None
    """As Helius names it."""
    commitment: str | None = None
    """Only our own recordings say it."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """What is known of a transaction from around it: its block, or the request that brought it."""

    commitment: Commitment
    slot: int | None = None
    block_time: int | None = None
    index: int | None = None


_LOGS = msgspec.json.Decoder(list[str] | None)


def build_transaction(source: JsonTransaction, place: Place) -> Transaction:
    """The transaction; Unfit (or another ValueError) when it cannot be one."""
    meta = source.meta
    if meta is None:
        raise Unfit("transaction without meta")
    signed = _read_encoded(source.transaction)
    index = source.transactionIndex if source.transactionIndex is not None else source.indexWithinBlock
    head: dict[str, Any] = {
        "signature": check_signature(signed.signatures[0] if signed.signatures else ""),
        "slot": source.slot or place.slot or 0,
        "transaction_index": place.index if index is None else index,
        "block_time": place.block_time if source.blockTime is None else source.blockTime,
        "commitment": read_commitment(source.commitment) or place.commitment,
        "signers": max(1, signed.signers),
        "fee": meta.fee,
        "compute_units": meta.computeUnitsConsumed,
    }
    if meta.err is not None:
        return Transaction(**head, failed=True)
    loaded = meta.loadedAddresses
    keys = signed.keys if signed.is_resolved or not loaded else (*signed.keys, *loaded.writable, *loaded.readonly)
    partial = meta.innerInstructions is None
    return Transaction(
        **head,
        failed=False,
        accounts=keys,
        instructions=tuple(_instructions(signed, meta, keys)),
        logs=tuple(_LOGS.decode(meta.logMessages) or ()) if partial else (),
        post_balances=_balances(meta, keys),
        is_partial=partial,
    )


def read_commitment(text: str | None) -> Commitment | None:
    """The commitment that a recording names; None when it names none that is known."""
    return Commitment.__members__.get(text.upper()) if text else None


def check_signature(text: str) -> str:
    """The signature itself; Unfit when it is not 64 bytes of base58."""
    if not base58.is_signature(text):
        raise Unfit(f"invalid signature {text[:100]!r}")
    return text


class _Signed(NamedTuple):
    """Any encoding, brought to one shape."""

    signatures: list[str]
    signers: int
    keys: tuple[str, ...]
    instructions: Sequence[JsonInstruction | WireInstruction]
    is_resolved: bool
    """Whether `keys` already has the addresses of lookup tables, as in jsonParsed."""


def _read_encoded(encoded: Encoded) -> _Signed:
    if isinstance(encoded, JsonSigned):
        return _read_json(encoded)
    text, encoding = (encoded, "base58") if isinstance(encoded, str) else _text_and_encoding(encoded)
    wire = read_transaction(_bytes(text, encoding))
    return _Signed(list(wire.signatures), wire.signers, wire.keys, wire.instructions, False)


def _read_json(signed: JsonSigned) -> _Signed:
    message = signed.message
    if message is None:
        raise Unfit("transaction without instructions (transactionDetails `accounts`)")
    parsed = JsonKey in set(map(type, message.accountKeys))
    named = (
        [key if isinstance(key, str) else key.pubkey for key in message.accountKeys] if parsed else message.accountKeys
    )
    keys: tuple[str, ...] = tuple(named)  # type: ignore[arg-type] # all str where none is a JsonKey
    signers = message.header.numRequiredSignatures if message.header else len(signed.signatures)
    return _Signed(signed.signatures, signers, keys, message.instructions, parsed)


def _text_and_encoding(encoded: list[str]) -> tuple[str, str]:
    if len(encoded) != 2:
        raise Unfit("an encoded transaction is [text, encoding]")
    return encoded[0], encoded[1]


def _bytes(text: str, encoding: str) -> bytes:
    if encoding == "base64":
        return b64decode(text, validate=True)
    if encoding == "base58" and len(text) <= _INLINE_MAX:
        return base58.decode(text)
    raise Unfit(f"unknown transaction encoding {encoding[:20]!r}")


def _instructions(signed: _Signed, meta: JsonMeta, keys: tuple[str, ...]) -> Iterator[Instruction]:
    """Outer and inner in execution order, of the programs that matter."""
    wanted = KNOWN_PROGRAMS if meta.postTokenBalances or meta.preTokenBalances else WITHOUT_BALANCES
    programs: dict[int | str | None, str] = {index: key for index, key in enumerate(keys) if key in wanted}
    if not programs:
        return
    programs.update({key: key for key in programs.values()})  # jsonParsed names programs by address.
    inner = {group.index: group.instructions for group in meta.innerInstructions or ()}
    for index, outer in enumerate(signed.instructions):
        if isinstance(outer, WireInstruction):
            if program := programs.get(outer.program_index):
                yield Instruction(program, _accounts(outer.accounts, keys), outer.data, index, 1)
        elif (outer.programIdIndex is None or outer.programIdIndex in programs) and (
            found := _instruction(outer, programs, keys, index, 1)
        ):
            yield found
        for called in inner.get(index, ()):
            if called.programIdIndex is None or called.programIdIndex in programs:
                found = _instruction(called, programs, keys, index, called.stackHeight)
                if found is not None:
                    yield found


def _instruction(
    source: JsonInstruction,
    programs: Mapping[int | str | None, str],
    keys: tuple[str, ...],
    outer_index: int,
    stack_height: int | None,
) -> Instruction | None:
    """None when it is of another program, or parsed so far that its data is gone."""
    index = source.programIdIndex
    program = programs.get(source.programId if index is None else index)
    if program is None or source.data is None:
        return None
    return Instruction(program, _accounts(source.accounts, keys), base58.decode(source.data), outer_index, stack_height)


def _accounts(accounts: Sequence[int | str], keys: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple([keys[a] if type(a) is int else a for a in accounts])  # type: ignore[misc] # str, then
    except IndexError:
        raise Unfit(f"an account index is beyond the {len(keys)} accounts") from None


def _balances(meta: JsonMeta, keys: tuple[str, ...]) -> tuple[TokenBalance, ...]:
    """Balances after the transaction; an account that was there before and is not any more holds 0."""
    after = meta.postTokenBalances or []
    there = {balance.accountIndex for balance in after}
    gone = [balance for balance in meta.preTokenBalances or () if balance.accountIndex not in there]
    try:
        held = [_balance(each, keys, read_amount(each.uiTokenAmount.amount)) for each in after]
        held += [_balance(each, keys, 0) for each in gone]
    except IndexError:
        raise Unfit(f"a token balance is beyond the {len(keys)} accounts") from None
    return tuple(held)


def _balance(balance: JsonBalance, keys: tuple[str, ...], amount: int) -> TokenBalance:
    account = keys[balance.accountIndex]
    return TokenBalance(account, balance.mint, balance.owner or "", amount, balance.uiTokenAmount.decimals)
