"""Raydium AMM v4, only as far as pump.fun graduated to it (until 2025-03-20): the pool that its authority opens.

The program emits no Anchor event. `initialize2` is tag 1, nonce u8, open_time u64, init_pc_amount u64, init_coin_amount
u64; accounts 4, 8, 9 and 17 are the pool, the coin mint, the pc mint and the wallet that opens it (raydium-amm source).
"""

import struct
from typing import Final

from app.domain.events import Migration
from app.domain.programs import PUMP_MIGRATION_AUTHORITY, RAYDIUM_AMM, WSOL, Protocol
from indexer.decoders.context import Context
from indexer.decoders.pump_fun import curve_address
from indexer.transaction import Instruction

PROGRAM_ID: Final = RAYDIUM_AMM
_INITIALIZE_2: Final = struct.Struct("<BBQQQ")
_TAG: Final = 1
_POOL, _COIN, _PC, _WALLET = 4, 8, 9, 17


def is_graduation(instruction: Instruction) -> bool:
    """Whether this opens a SOL pool by pump's own migration authority."""
    accounts = instruction.accounts
    return (
        len(instruction.data) >= _INITIALIZE_2.size
        and instruction.data[0] == _TAG
        and len(accounts) > _WALLET
        and accounts[_WALLET] == PUMP_MIGRATION_AUTHORITY
        and (accounts[_COIN] == WSOL) != (accounts[_PC] == WSOL)
    )


def decode_graduation(instruction: Instruction, context: Context, place: tuple[int, int]) -> Migration:
    """The migration that `is_graduation` saw; its curve is the address that follows from the mint."""
    _, _, _, pc_amount, coin_amount = _INITIALIZE_2.unpack_from(instruction.data)
    coin, pc = instruction.accounts[_COIN], instruction.accounts[_PC]
    mint, base, quote = (pc, pc_amount, coin_amount) if coin == WSOL else (coin, coin_amount, pc_amount)
    return Migration(
        **context.head(Protocol.PUMP_FUN, *place, None),
        mint=mint,
        bonding_curve=curve_address(mint),
        pool=instruction.accounts[_POOL],
        to_program=Protocol.RAYDIUM_AMM,
        quote_mint=WSOL,
        base_amount=base,
        quote_amount=quote,
    )
