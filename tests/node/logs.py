"""The log of a simulated transaction, as the runtime writes it: invocations, instruction names, events, results.

pump.fun and PumpSwap write an event to the log before they send it to themselves; Meteora DBC only sends it. So do the
recordings, and so it is here.
"""

from base64 import b64encode
from collections.abc import Iterator
from typing import Final

from app.domain.programs import METEORA_DBC, PUMP_FUN, PUMP_SWAP
from indexer.decoders.anchor import SELF_CPI
from indexer.layouts.dynamic_bonding_curve import DBC
from indexer.layouts.pump import PUMP
from indexer.layouts.pump_amm import PUMP_AMM
from indexer.transaction import Instruction

_IDLS: Final = {PUMP_FUN: PUMP, PUMP_SWAP: PUMP_AMM, METEORA_DBC: DBC}
_LOGS_EVENTS: Final = frozenset({PUMP_FUN, PUMP_SWAP})
_UNLOGGED: Final = PUMP.event("CompletePumpAmmMigrationEvent").discriminator
FAILURE: Final = "failed: custom program error: 0x1772"


def write_logs(instructions: tuple[Instruction, ...], *, failed: bool = False) -> tuple[str, ...]:
    """All lines; of a failed transaction the last call fails at its end."""
    lines: list[str] = []
    stack: list[str] = []
    for each in instructions:
        height = each.stack_height or 1
        lines += _returns(stack, height)
        if each.data.startswith(SELF_CPI):
            lines += _event(each, stack)
        else:
            lines.append(f"Program {each.program} invoke [{height}]")
            lines += _name(each)
        stack.append(each.program)
    lines += _returns(stack, 1)
    if failed and lines:
        lines[-1] = f"{lines[-1].removesuffix('success')}{FAILURE}"
    return tuple(lines)


def _returns(stack: list[str], height: int) -> Iterator[str]:
    """What is above `height` ends."""
    while len(stack) >= height:
        program = stack.pop()
        yield f"Program {program} consumed {21_000 // (len(stack) + 1)} of 200000 compute units"
        yield f"Program {program} success"


def _event(instruction: Instruction, stack: list[str]) -> Iterator[str]:
    payload = instruction.data[len(SELF_CPI) :]
    invoked = f"Program {instruction.program} invoke [{len(stack) + 1}]"
    if instruction.program not in _LOGS_EVENTS or payload.startswith(_UNLOGGED):
        yield invoked
        return
    data = f"Program data: {b64encode(payload).decode()}"
    # Simulated calls in calls are flat: then the event stands in the program's own call to itself.
    yield from (data, invoked) if stack and stack[-1] == instruction.program else (invoked, data)


def _name(instruction: Instruction) -> Iterator[str]:
    idl = _IDLS.get(instruction.program)
    layout = idl.instructions.get(instruction.data[:8]) if idl else None
    if layout is not None:
        yield "Program log: Instruction: " + "".join(part.title() for part in layout.name.split("_"))
