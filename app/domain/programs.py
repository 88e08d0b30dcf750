"""The on-chain programs and well-known addresses, by the names that the SDL uses.

Addresses: official IDLs of pump (0.1.0), pump_amm (0.1.0), dynamic_bonding_curve (0.2.1), and
the Meteora documentation.
"""

from enum import IntEnum
from typing import Final

PUMP_FUN: Final = "6EF8rrecthR5Dkzon8Nwu78hRvfCKubJ14M5uBEwF6P"
PUMP_SWAP: Final = "pAMMBay6oceH9fJKBRHGP5D4bD4sWpmSwMn52FMfXEA"
PUMP_FEES: Final = "pfeeUxB6jkeY1Hxd7CsFCAjcbHA9rWtchMGdZ6VojVZ"
PUMP_MAYHEM: Final = "MAyhSmzXzV1pTf7LsNkrNwkWKTo4ougAJ1PPg47MD4e"
PUMP_MIGRATION_AUTHORITY: Final = "39azUYFWPz3VHgKCf3VChUwbpURdCHRxjWVowf5jUJjg"
METEORA_DBC: Final = "dbcij3LWUppWqq96dh6gJWwBifmcGfLSB5D4DuSMaqN"
METEORA_DBC_AUTHORITY: Final = "FhVo3mqL8PW5pH5U2CN4XE33DokiyZnUwuGpH2hmHLuM"
METEORA_DAMM_V1: Final = "Eo7WjKq67rjJQSZxS6z3YkapzY3eMj6Xy8X5EQVn5UaB"
METEORA_DAMM_V2: Final = "cpamdpZCGKUy5JxQXB4dcpGPiikHawvSWAd6mEn1sGG"
RAYDIUM_AMM: Final = "675kPX9MHTjS2zt1qfr1NYHuzeLXfQM9H24wFSUt1Mp8"

NATIVE_SOL: Final = "11111111111111111111111111111111"
"""How pump says that a quote is native SOL (PROGRAMS.md, point 4)."""
WSOL: Final = "So11111111111111111111111111111111111111112"
"""What Curvecast calls SOL as a quote mint, native or wrapped: one word for one currency."""
USDC: Final = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"
USDT: Final = "Es9vMFrzaCERmJfrF4H2FYD4KCoNkY11McCe8BenwNYB"
SPL_TOKEN: Final = "TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA"
TOKEN_2022: Final = "TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb"

QUOTE_DECIMALS: Final = {WSOL: 9, USDC: 6, USDT: 6}
"""Decimals of the quote mints that launchpads offer; others come from the transaction's token balances."""


class Protocol(IntEnum):
    """On-chain program behind a venue. The number is what the store keeps: never change one."""

    PUMP_FUN = 1
    PUMP_FUN_MAYHEM = 2
    PUMP_SWAP = 3
    METEORA_DBC = 4
    METEORA_DAMM_V1 = 5
    METEORA_DAMM_V2 = 6
    RAYDIUM_AMM = 7

    @property
    def program_id(self) -> str:
        """Base58 address of the program."""
        return _PROGRAM_IDS[self]

    @property
    def is_curve(self) -> bool:
        """Whether tokens trade here before graduation."""
        return self in (Protocol.PUMP_FUN, Protocol.PUMP_FUN_MAYHEM, Protocol.METEORA_DBC)


_PROGRAM_IDS: Final = {
    Protocol.PUMP_FUN: PUMP_FUN,
    Protocol.PUMP_FUN_MAYHEM: PUMP_FUN,
    Protocol.PUMP_SWAP: PUMP_SWAP,
    Protocol.METEORA_DBC: METEORA_DBC,
    Protocol.METEORA_DAMM_V1: METEORA_DAMM_V1,
    Protocol.METEORA_DAMM_V2: METEORA_DAMM_V2,
    Protocol.RAYDIUM_AMM: RAYDIUM_AMM,
}


class TradeProgram(IntEnum):
    """Kind of venue: before or after graduation."""

    BONDING_CURVE = 1
    AMM_POOL = 2


class Side(IntEnum):
    """Which way a trade went, from the launched token's view."""

    BUY = 1
    SELL = 2


class Stage(IntEnum):
    """Stage in the life of a launched token."""

    BONDING = 1
    COMPLETED = 2
    GRADUATED = 3


class Commitment(IntEnum):
    """How certain a record is; larger is more certain."""

    PROCESSED = 1
    CONFIRMED = 2
    FINALIZED = 3


def certainty(told: int, slot: int, finalized_slot: int | None) -> Commitment:
    """Of a record in `slot` whose source said `told`: final once the chain is, without any record being touched.

    Slot 0 is unknown, and stays what its source said.
    """
    if finalized_slot is not None and 0 < slot <= finalized_slot:
        return Commitment.FINALIZED
    return COMMITMENTS[told]


COMMITMENTS = {int(each): each for each in Commitment}
"""Looked up in a fifth of the time that calling the enumeration takes."""
