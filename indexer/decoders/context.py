"""What a decoder may ask about the transaction that an event stands in: accounts, decimals, times, places."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, Final

import msgspec

from app.domain.programs import NATIVE_SOL, QUOTE_DECIMALS, SPL_TOKEN, TOKEN_2022, WSOL, Protocol
from app.errors import DecodeError
from indexer.decoders.anchor import Emission
from indexer.layouts.borsh import Fields, LayoutError
from indexer.layouts.idl import DISCRIMINATOR_BYTES, Idl, Layout
from indexer.transaction import Instruction, Transaction

LAMPORTS_PER_SIGNATURE: Final = 5000
MAX_TIME: Final = 253_402_300_799
"""31 December 9999: a later (or negative) timestamp is not the bank's clock."""
MAX_U64: Final = (1 << 64) - 1
_TRANSFER_CHECKED: Final = 12
_TRANSFER_CHECKED_BYTES: Final = 10


class PoolMints(msgspec.Struct, frozen=True, gc=False):
    """The two mints of a venue in its own orientation: what swap events do not say."""

    base_mint: str
    quote_mint: str
    base_decimals: int
    quote_decimals: int


class Context:
    """One transaction, its known programs' events, and what can be derived from them on demand."""

    def __init__(
        self,
        transaction: Transaction,
        steps: Sequence[Emission | Instruction],
        idls: Mapping[str, Idl],
        pools: Mapping[str, PoolMints] | None,
    ) -> None:
        self.transaction = transaction
        self.steps = steps
        self._idls = idls
        self._pools = pools or {}
        self._read: dict[int, Fields] = {}

    def fields(self, emission: Emission, layout: Layout) -> Fields:
        """The fields of one of this transaction's events, read once; LayoutError when they cannot be."""
        fields = self._read.get(id(emission))
        if fields is None:
            fields = self._read[id(emission)] = layout.decode(emission.payload).fields
        return fields

    def head(self, program: Protocol, ordinal: int, event_index: int, fields: Fields | None) -> dict[str, Any]:
        """The arguments of `EventHead`; DecodeError when no clock tells the time of the event."""
        transaction = self.transaction
        return {
            "signature": transaction.signature,
            "program": program,
            "ordinal": ordinal,
            "event_index": event_index,
            "slot": transaction.slot,
            "transaction_index": transaction.transaction_index,
            "block_time": self._block_time(fields or {}),
            "commitment": transaction.commitment,
        }

    def account(self, emission: Emission, name: str, *, touching: str) -> str | None:
        """A named account of the event's own instruction, or of another of its program that has `touching` too."""
        own = emission.instruction
        if own is not None and touching in own.accounts:
            return named_account(self._idls[own.program], own, name)
        for step in self.steps:
            if isinstance(step, Instruction) and step.program == emission.program and touching in step.accounts:
                return named_account(self._idls[step.program], step, name)
        return None

    def mints(self, emission: Emission, pool: str) -> PoolMints:
        """The mints of the pool that an event names; DecodeError when neither accounts nor the known pools tell."""
        base = self.account(emission, "base_mint", touching=pool)
        quote = self.account(emission, "quote_mint", touching=pool)
        known = self._pools.get(pool)
        if base is None or quote is None:
            if known is None:
                raise DecodeError("pool mints unknown")
            return known
        if known is not None and (known.base_mint, known.quote_mint) == (base, quote):
            return known
        return PoolMints(base, quote, self.decimals(base), self.decimals(quote))

    def decimals(self, mint: str) -> int:
        """Decimals of a mint that this transaction moves, or of a well-known quote; DecodeError otherwise."""
        known = QUOTE_DECIMALS.get(mint)
        if known is None:
            known = self._decimals.get(mint)
        if known is None:
            raise DecodeError("mint decimals unknown")
        return known

    @property
    def priority_fee(self) -> int | None:
        """Lamports paid above the base fee of 5,000 a signature."""
        fee = self.transaction.fee
        return None if fee is None else max(0, fee - LAMPORTS_PER_SIGNATURE * self.transaction.signers)

    @cached_property
    def _decimals(self) -> dict[str, int]:
        """From token balances; where a recording lacks them, from the transfers' own instruction data."""
        decimals = {balance.mint: balance.decimals for balance in self.transaction.post_balances}
        for instruction in self.transaction.instructions:
            if instruction.program in (SPL_TOKEN, TOKEN_2022):
                decimals.update(_transferred(instruction))
        return decimals

    def _block_time(self, fields: Fields) -> int:
        time = _time_of(fields)
        if time is None:
            time = self._sibling_time
        if time is None:
            time = self.transaction.block_time
        if time is None:
            raise DecodeError("block time unknown")
        if not 0 < time <= MAX_TIME:
            raise DecodeError("timestamp out of range")
        return time

    @cached_property
    def _sibling_time(self) -> int | None:
        return next(self._times(), None)

    def _times(self) -> Iterator[int]:
        for step in self.steps:
            if isinstance(step, Emission) and (layout := self._idls[step.program].events.get(step.discriminator)):
                try:
                    time = _time_of(self.fields(step, layout))
                except LayoutError:
                    continue
                if time is not None and 0 < time <= MAX_TIME:
                    yield time


def _time_of(fields: Fields) -> int | None:
    time: int | None = fields.get("timestamp")
    return fields.get("current_timestamp") if time is None else time


def _transferred(instruction: Instruction) -> dict[str, int]:
    """Mint and decimals of an SPL `TransferChecked` (amount u64, decimals u8; accounts source, mint, destination)."""
    data = instruction.data
    if len(data) < _TRANSFER_CHECKED_BYTES or data[0] != _TRANSFER_CHECKED or len(instruction.accounts) < 2:
        return {}
    return {instruction.accounts[1]: data[9]}


def named_account(idl: Idl, instruction: Instruction, *names: str) -> str | None:
    """The account that the IDL calls by one of these names; None when the instruction is unknown or too short."""
    index = _account_index(idl, instruction.data[:DISCRIMINATOR_BYTES], names)
    return instruction.accounts[index] if index is not None and index < len(instruction.accounts) else None


@lru_cache(maxsize=1024)
def _account_index(idl: Idl, discriminator: bytes, names: tuple[str, ...]) -> int | None:
    layout = idl.instructions.get(discriminator)
    declared = layout.accounts if layout else ()
    return next((declared.index(name) for name in names if name in declared), None)


def quote_name(mint: str) -> str:
    """How Curvecast calls a quote mint: native SOL and wrapped SOL are one currency."""
    return WSOL if mint == NATIVE_SOL else mint


def someone(address: str | None) -> str | None:
    """An address that is set: all ones stands for nobody."""
    return None if address == NATIVE_SOL else address


def unsigned(value: int) -> int:
    """A derived amount that must be a u64 to be believed; DecodeError otherwise."""
    if not 0 <= value <= MAX_U64:
        raise DecodeError("reserves do not add up")
    return value


def printable(text: str | None) -> str | None:
    """A name or URI without the NUL characters that no database text can hold."""
    return None if text is None else text.replace("\0", "")
