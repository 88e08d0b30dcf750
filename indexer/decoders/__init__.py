"""Transactions to domain events: the registry of programs and the one function that the pipeline calls.

Pure: no I/O, no clock, no database, no logging. A failed transaction yields nothing, whatever its logs hold. What a
known program emitted and we cannot read is a failure beside the events, never an exception.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias

import msgspec

from app.domain.events import Event
from app.domain.programs import PUMP_MIGRATION_AUTHORITY, SPL_TOKEN, TOKEN_2022
from app.errors import DecodeError
from indexer.decoders import meteora_dbc, pump_fun, pump_swap, raydium
from indexer.decoders.anchor import Emission, read_steps, truncated_programs
from indexer.decoders.context import Context, PoolMints
from indexer.layouts.borsh import Fields, LayoutError
from indexer.layouts.idl import Idl
from indexer.transaction import Instruction, Transaction

EventDecoder: TypeAlias = Callable[[str, Fields, Emission, Context, tuple[int, int]], Event | None]
"""Event name, fields, how it was emitted, its transaction, (ordinal, event index) → the domain event, if it is one."""
InstructionDecoder: TypeAlias = Callable[[Instruction, Context, tuple[int, int]], Event]


class Program(NamedTuple):
    """How one program's events are read."""

    idl: Idl
    decode_event: EventDecoder


class Silent(NamedTuple):
    """An instruction that changes a token's stage and emits no event; it counts as one."""

    matches: Callable[[Instruction], bool]
    decode: InstructionDecoder


PROGRAMS: Final[Mapping[str, Program]] = {
    module.PROGRAM_ID: Program(module.IDL, module.decode_event) for module in (pump_fun, pump_swap, meteora_dbc)
}
SILENT: Final[Mapping[str, Silent]] = {
    meteora_dbc.PROGRAM_ID: Silent(meteora_dbc.is_migration, meteora_dbc.decode_migration),
    raydium.PROGRAM_ID: Silent(raydium.is_graduation, raydium.decode_graduation),
}
KNOWN_PROGRAMS: Final = frozenset(PROGRAMS) | frozenset(SILENT)
MENTIONED: Final = (*PROGRAMS, PUMP_MIGRATION_AUTHORITY)
"""One of these stands in every transaction that is read: Raydium's are those of pump's migration authority."""
WITHOUT_BALANCES: Final = KNOWN_PROGRAMS | {SPL_TOKEN, TOKEN_2022}
"""Whose instructions are read where there are no token balances: they tell decimals then."""
_IDLS: Final = {program: entry.idl for program, entry in PROGRAMS.items()}


class Decoded(msgspec.Struct, frozen=True, gc=False):
    """What one transaction held."""

    events: tuple[Event, ...] = ()
    """In execution order."""
    failures: tuple[DecodeError, ...] = ()
    """What a known program emitted and we could not read; `cause` is stable."""


_NOTHING: Final = Decoded()


def decode(transaction: Transaction, pools: Mapping[str, PoolMints] | None = None) -> Decoded:
    """The events of a transaction, in execution order.

    `pools` (by pool address) helps where a swap comes without the accounts that name its mints, as from a logs
    subscription: without it such a trade is a failure `pool mints unknown` and can be decoded later.
    """
    if transaction.failed:
        return _NOTHING
    steps = read_steps(transaction, KNOWN_PROGRAMS)
    failures = [] if not transaction.is_partial else _cut_off(transaction)
    if not steps:
        return Decoded((), tuple(failures)) if failures else _NOTHING
    context = Context(transaction, steps, _IDLS, pools)
    events: list[Event] = []
    for step, place in _places(steps):
        try:
            event = _decode_step(step, context, place)
        except DecodeError as error:
            failures.append(_placed(error.cause, step, transaction))
        else:
            if event is not None:
                events.append(event)
    return Decoded(tuple(events), tuple(failures))


def _places(steps: list[Emission | Instruction]) -> Iterator[tuple[Emission | Instruction, tuple[int, int]]]:
    """Each event with its ordinal among its program's and its index among all."""
    ordinals: dict[str, int] = {}
    index = 0
    for step in steps:
        if isinstance(step, Emission) or _is_silent(step):
            ordinal = ordinals.get(step.program, 0)
            yield step, (ordinal, index)
            ordinals[step.program] = ordinal + 1
            index += 1


def _is_silent(instruction: Instruction) -> bool:
    silent = SILENT.get(instruction.program)
    return silent is not None and silent.matches(instruction)


def _decode_step(step: Emission | Instruction, context: Context, place: tuple[int, int]) -> Event | None:
    if isinstance(step, Instruction):
        return SILENT[step.program].decode(step, context, place)
    program = PROGRAMS.get(step.program)
    layout = program.idl.events.get(step.discriminator) if program else None
    if program is None or layout is None:
        raise DecodeError(f"unknown event {step.discriminator.hex()}")
    try:
        return program.decode_event(layout.name, context.fields(step, layout), step, context, place)
    except LayoutError as error:
        raise DecodeError(f"{layout.name}: {error}") from None
    except KeyError as missing:
        raise DecodeError(f"{layout.name}: too short for {missing.args[0]}") from None


def _cut_off(transaction: Transaction) -> list[DecodeError]:
    """Where only a log tells and it is cut, events may be missing: the whole transaction would have to be fetched."""
    return [
        DecodeError("log truncated", program=program, signature=transaction.signature, slot=transaction.slot)
        for program in sorted(truncated_programs(transaction.logs, frozenset(PROGRAMS)))
    ]


def _placed(cause: str, step: Emission | Instruction, transaction: Transaction) -> DecodeError:
    return DecodeError(cause, program=step.program, signature=transaction.signature, slot=transaction.slot)
