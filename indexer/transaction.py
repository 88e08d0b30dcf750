"""One landed transaction as all sources hand it over, whatever road it came by.

Addresses are base58 strings, instruction data raw bytes. Lookup-table addresses are already resolved: `accounts` holds
the full account list in runtime order (static keys, then loaded writable, then loaded readonly).
"""

from typing import Final

import msgspec

from app.domain.events import TokenBalance
from app.domain.programs import Commitment

_AMOUNT_DIGITS: Final = 20
"""Of the largest u64."""


class Unfit(ValueError):
    """What came is well-formed but no transaction that can be used; the text says why."""


class Instruction(msgspec.Struct, frozen=True, gc=False):
    """One instruction, outer or inner, in execution order."""

    program: str
    accounts: tuple[str, ...]
    data: bytes
    outer_index: int
    """Index of the outer instruction that it is or belongs to."""
    stack_height: int | None
    """1 for outer instructions; None where the source did not tell it."""


class Transaction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A transaction, successful or not, with what it did.

    Of a logs notification only `signature`, `slot`, `error` and `logs` are there: `instructions` is empty then and
    `is_partial` true. Of a recorded raw event only `events` is there.
    """

    signature: str
    slot: int
    """0 where the source did not tell it."""
    transaction_index: int | None
    block_time: int | None
    commitment: Commitment
    failed: bool
    accounts: tuple[str, ...] = ()
    signers: int = 1
    """How many of `accounts` signed; the first pays the fee."""
    instructions: tuple[Instruction, ...] = ()
    """Outer and inner, in execution order. Sources may leave out those of programs that no decoder knows."""
    logs: tuple[str, ...] = ()
    """Sources may leave them out beside complete instructions, which tell more."""
    events: tuple[tuple[str, bytes], ...] = ()
    """(program, payload with the 8-byte discriminator) of recordings that hold nothing else."""
    post_balances: tuple[TokenBalance, ...] = ()
    """Token balances after the transaction; accounts that it emptied or closed are there with 0."""
    fee: int | None = None
    """Lamports."""
    compute_units: int | None = None
    is_partial: bool = False
    """Whether instructions are missing, so that only logs can be read."""


def read_amount(text: str) -> int:
    """A token amount, a u64 in decimal digits; Unfit when it is none."""
    if len(text) > _AMOUNT_DIGITS or not text.isascii() or not text.isdigit():
        raise Unfit("a token amount is not a number")
    return int(text)
