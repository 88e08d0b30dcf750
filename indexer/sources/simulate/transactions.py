"""Puts the instructions of one simulated transaction together, as a node hands them over."""

import struct
from binascii import b2a_base64
from collections.abc import Sequence
from functools import cache
from typing import Final

import msgspec

from app.domain.events import TokenBalance
from app.domain.programs import Commitment
from indexer.transaction import Instruction, Transaction

EVENT_TAG: Final = bytes.fromhex("e445a52e51cb9a1d")
"""What Anchor puts before an event that a program sends to itself."""
SYSTEM_PROGRAM: Final = "11111111111111111111111111111111"
ASSOCIATED_TOKEN_PROGRAM: Final = "ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL"
_COMPUTE_BUDGET: Final = "ComputeBudget111111111111111111111111111111"
_BASE_FEE: Final = 5_000
_TRANSFER_CHECKED: Final = struct.Struct("<BQB")


class Stamp(msgspec.Struct, frozen=True, gc=False):
    """Where and when a transaction landed."""

    signature: str
    slot: int
    index: int
    time: int
    compute_price: int
    """Micro-lamports a compute unit."""


class Call(msgspec.Struct, frozen=True, gc=False):
    """One instruction of the transaction with what it called: (program, accounts, data) of each, one level deeper."""

    program: str
    accounts: tuple[str, ...]
    data: bytes
    name: str
    """As the program logs it, `Buy`."""
    inner: tuple[tuple[str, tuple[str, ...], bytes], ...] = ()
    logged: tuple[bytes, ...] = ()
    """Events that it also writes to the log."""


def event_call(program: str, authority: str, event: bytes) -> tuple[str, tuple[str, ...], bytes]:
    """A program's call to itself that carries an event."""
    return (program, (authority,), EVENT_TAG + event)


def token_transfer(
    program: str, source: str, mint: str, target: str, owner: str, amount: int, decimals: int
) -> tuple[str, tuple[str, ...], bytes]:
    """`TransferChecked` of the token programs (SPL Token documentation, instruction 12)."""
    return (program, (source, mint, target, owner), _TRANSFER_CHECKED.pack(12, amount, decimals))


def assemble(
    stamp: Stamp,
    payer: str,
    calls: Sequence[Call],
    balances: tuple[TokenBalance, ...],
    *,
    failed: bool = False,
    compute_units: int = 110_000,
) -> Transaction:
    """The whole transaction; `payer` signs. A failed one keeps its logs and inner instructions, as on chain."""
    limit = compute_units * 3 // 2
    instructions = [
        _limit_instruction(limit),
        Instruction(_COMPUTE_BUDGET, (), b"\x03" + stamp.compute_price.to_bytes(8, "little"), 1, 1),
    ]
    accounts = [payer]
    logs: list[str] = []
    outer = 2
    for call in calls:
        instructions.append(Instruction(call.program, call.accounts, call.data, outer, 1))
        accounts += call.accounts
        for program, used, data in call.inner:
            instructions.append(Instruction(program, used, data, outer, 2))
            accounts.append(program)
            accounts += used
        logs += _log_start(call.program, call.name)
        logs += ["Program data: " + b2a_base64(event, newline=False).decode() for event in call.logged]
        logs.append(_log_end(call.program))
        outer += 1
    accounts.append(_COMPUTE_BUDGET)
    return Transaction(
        signature=stamp.signature,
        slot=stamp.slot,
        transaction_index=stamp.index,
        block_time=stamp.time,
        commitment=Commitment.CONFIRMED,
        failed=failed,
        accounts=tuple(dict.fromkeys(accounts)),
        instructions=tuple(instructions),
        logs=tuple(logs),
        post_balances=() if failed else balances,
        fee=_BASE_FEE + limit * stamp.compute_price // 1_000_000,
        compute_units=compute_units,
    )


@cache
def _limit_instruction(limit: int) -> Instruction:
    return Instruction(_COMPUTE_BUDGET, (), b"\x02" + limit.to_bytes(4, "little"), 0, 1)


@cache
def _log_start(program: str, name: str) -> tuple[str, str]:
    return f"Program {program} invoke [1]", f"Program log: Instruction: {name}"


@cache
def _log_end(program: str) -> str:
    return f"Program {program} success"
