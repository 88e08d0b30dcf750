"""Anchor's event framing: which events a transaction holds, of which program, in execution order.

A program emits by self-CPI (it calls itself with `e445a52e51cb9a1d` + payload) or by `emit!` (`Program data:` base64).
pump and PumpSwap do both, Meteora DBC only the first. The self-CPI is the truth: log lines are cut at 10 KB, and are
read only where the transaction came without its inner instructions.
"""

import re
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from indexer.layouts.idl import DISCRIMINATOR_BYTES
from indexer.transaction import Instruction, Transaction

SELF_CPI: Final = bytes.fromhex("e445a52e51cb9a1d")
_DATA = "Program data: "
_INVOKE = re.compile(r"Program (\w{32,44}) invoke \[\d+\]$")
_RETURN = re.compile(r"Program (\w{32,44}) (?:success$|failed)")
_TRUNCATED = "Log truncated"


class Emission(msgspec.Struct, frozen=True, gc=False):
    """One event as its program emitted it."""

    program: str
    payload: bytes
    """With the 8-byte discriminator."""
    instruction: Instruction | None
    """The program's own instruction that was running; None where only logs tell."""

    @property
    def discriminator(self) -> bytes:
        return self.payload[:DISCRIMINATOR_BYTES]


def read_steps(transaction: Transaction, programs: frozenset[str]) -> list[Emission | Instruction]:
    """Events of these programs in execution order, with the instructions between them where the transaction has any."""
    if transaction.events:
        return [
            Emission(program, strip_frame(data), None) for program, data in transaction.events if program in programs
        ]
    if not transaction.is_partial:
        return _from_instructions(transaction.instructions, programs)
    logged = read_log_events(transaction.logs)
    return [
        *(i for i in transaction.instructions if i.program in programs),
        *(Emission(program, payload, None) for program, payload in logged if program in programs),
    ]


def strip_frame(data: bytes) -> bytes:
    """The payload of self-CPI instruction data; a payload that has no frame stays as it is."""
    return data[len(SELF_CPI) :] if data.startswith(SELF_CPI) else data


def _from_instructions(instructions: Sequence[Instruction], programs: frozenset[str]) -> list[Emission | Instruction]:
    running: dict[str, Instruction] = {}
    steps: list[Emission | Instruction] = []
    for instruction in instructions:
        program = instruction.program
        if program not in programs:
            continue
        if instruction.data.startswith(SELF_CPI):
            steps.append(Emission(program, instruction.data[len(SELF_CPI) :], running.get(program)))
        else:
            running[program] = instruction
            steps.append(instruction)
    return steps


def read_log_events(logs: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """(program, payload) of each `Program data:` line: it belongs to the program on top of the invocation stack.

    Ends at `Log truncated`: lines behind it would stand under a stack that we no longer know.
    """
    stack: list[str] = []
    for line in logs:
        if line.startswith(_DATA):
            payload = _base64(line[len(_DATA) :])
            if stack and payload is not None:
                yield stack[-1], payload
        elif line == _TRUNCATED:
            return
        elif invoked := _INVOKE.match(line):
            stack.append(invoked[1])
        elif (returned := _RETURN.match(line)) and stack and stack[-1] == returned[1]:
            stack.pop()


def truncated_programs(logs: Sequence[str], programs: frozenset[str]) -> frozenset[str]:
    """Of these programs, those that ran in a log that is cut: what they emitted behind the cut is lost here."""
    if _TRUNCATED not in logs:
        return frozenset()
    return frozenset(found[1] for line in logs if (found := _INVOKE.match(line)) and found[1] in programs)


def _base64(text: str) -> bytes | None:
    """The first field of a data line; None when it is not base64, as of a program that prints something alike."""
    try:
        return b64decode(text.split(" ", 1)[0], validate=True)
    except (Base64Error, ValueError):
        return None
