"""Puts what the programs' writers made into one transaction, as sources hand it over.

Left out is what readers of real blocks leave out too: instructions of programs that no decoder knows (the compute
budget before, the token transfers between) and logs, which tell nothing beside complete instructions.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from app.domain.events import TokenBalance
from app.domain.programs import Commitment
from indexer.transaction import Instruction, Transaction

EVENT_TAG: Final = bytes.fromhex("e445a52e51cb9a1d")
"""What Anchor puts before an event that a program sends to itself."""
SYSTEM_PROGRAM: Final = "11111111111111111111111111111111"
ASSOCIATED_TOKEN_PROGRAM: Final = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"
COMPUTE_BUDGET: Final = "ComputeBudget111111111111111111111111111111"
FIRST: Final = 2
"""Outer index of the first instruction behind the two of the compute budget."""
_BASE_FEE: Final = 5_000
_TRADE_UNITS: Final = 110_000
_CONFIRMED: Final = Commitment.CONFIRMED


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """Where and when a transaction landed."""

    signature: str
    slot: int
    index: int
    time: int
    compute_price: int
    """Micro-lamports a compute unit."""


def event_call(program: str, authority: str, event: bytes, outer: int = FIRST, height: int = 2) -> Instruction:
    """A program's call to itself that carries an event."""
    return Instruction(program, (authority,), EVENT_TAG + event, outer, height)


def land(
    stamp: Stamp,
    accounts: tuple[str, ...],
    instructions: tuple[Instruction, ...],
    balances: tuple[TokenBalance, ...],
    compute_units: int = _TRADE_UNITS,
) -> Transaction:
    """The transaction; the first of `accounts` signs and pays."""
    return Transaction(
        signature=stamp.signature,
        slot=stamp.slot,
        transaction_index=stamp.index,
        block_time=stamp.time,
        commitment=_CONFIRMED,
        failed=False,
        accounts=accounts,
        instructions=instructions,
        post_balances=balances,
        fee=_BASE_FEE + compute_units * 3 // 2 * stamp.compute_price // 1_000_000,
        compute_units=compute_units,
    )


def failed_again(stamp: Stamp, landed: Transaction) -> Transaction:
    """The same sent once more, and failed: it keeps the instructions, and moved nothing."""
    return msgspec.structs.replace(
        landed, signature=stamp.signature, transaction_index=stamp.index, failed=True, post_balances=()
    )


def assemble(
    stamp: Stamp,
    payer: str,
    instructions: Sequence[Instruction],
    balances: tuple[TokenBalance, ...],
    *,
    compute_units: int,
) -> Transaction:
    """A transaction whose accounts are those that its instructions name; `payer` signs."""
    accounts = [payer]
    for instruction in instructions:
        accounts += instruction.accounts
        accounts.append(instruction.program)
    accounts.append(COMPUTE_BUDGET)
    return land(stamp, tuple(dict.fromkeys(accounts)), tuple(instructions), balances, compute_units)
