"""What the logs of one transaction tell, and what they leave out. Pure."""

from typing import Final, NamedTuple

from app.domain.programs import METEORA_DBC, PUMP_SWAP, Commitment
from indexer.decoders import PROGRAMS
from indexer.decoders.anchor import read_log_events
from indexer.layouts.borsh import LayoutError
from indexer.layouts.pump_amm import PUMP_AMM
from indexer.rpc.logs_socket import Logged
from indexer.transaction import Transaction

_INVOKES: Final = {program: f"Program {program} invoke [" for program in PROGRAMS}
_TRUNCATED: Final = "Log truncated"


class Telling(NamedTuple):
    """A transaction as its logs tell it."""

    transaction: Transaction
    is_whole: bool
    """Whether its events are all there: Meteora prints none, and long logs are cut."""
    pools: tuple[str, ...]
    """PumpSwap pools that it names; their mints are not in the logs."""


def read_logged(told: Logged, commitment: Commitment) -> Telling | None:
    """What a notification tells; None when the transaction failed or only mentions our programs."""
    ran = {program for program in PROGRAMS if any(line.startswith(_INVOKES[program]) for line in told.logs)}
    if told.failed or not ran:
        return None
    transaction = Transaction(
        signature=told.signature,
        slot=told.slot,
        transaction_index=None,
        block_time=None,
        commitment=commitment,
        failed=False,
        logs=told.logs,
        is_partial=True,
    )
    is_whole = METEORA_DBC not in ran and _TRUNCATED not in told.logs
    return Telling(transaction, is_whole, _pools(told) if PUMP_SWAP in ran else ())


def _pools(told: Logged) -> tuple[str, ...]:
    named = (_pool_of(payload) for program, payload in read_log_events(told.logs) if program == PUMP_SWAP)
    return tuple(dict.fromkeys(pool for pool in named if pool is not None))


def _pool_of(payload: bytes) -> str | None:
    """The pool of an event; None where it names none or cannot be read (the decoder will say so)."""
    layout = PUMP_AMM.events.get(payload[:8])
    try:
        pool: str | None = layout.decode(payload).fields.get("pool") if layout else None
    except LayoutError:
        return None
    return pool
