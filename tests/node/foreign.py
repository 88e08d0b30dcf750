"""Transactions of programs that nobody here decodes: most of what a mainnet block holds."""

from functools import cache
from typing import Final

from app.domain.events import TokenBalance
from app.domain.programs import SPL_TOKEN, USDC, WSOL, Commitment
from indexer import base58
from indexer.transaction import Instruction, Transaction
from node.landed import Landed, Writer

VOTE_PROGRAM: Final = "Vote111111111111111111111111111111111111111"
_ROUTER: Final = base58.address(b"some router that no one decodes.")
_SIGNATURE: Final = base58.encode(bytes(range(64, 128)))


@cache
def vote() -> Landed:
    """A validator's vote, the pattern of many."""
    keys = tuple(base58.address(bytes([number]).rjust(32, b"~")) for number in (2, 3))
    call = Instruction(VOTE_PROGRAM, keys, bytes(120), 0, 1)
    return _landed((call,), (), keys[0])


@cache
def swap() -> Landed:
    """A swap through a router: about 4 KB of JSON, as on mainnet."""
    keys = tuple(base58.address(bytes([number]).rjust(32, b"~")) for number in range(10, 34))
    calls = [Instruction(_ROUTER, keys, bytes(range(1, 60)), 0, 1)]
    calls += [Instruction(SPL_TOKEN, keys[at : at + 4], b"\x0c" + bytes(range(1, 10)), 0, 2) for at in range(0, 16, 4)]
    balances = tuple(
        TokenBalance(keys[at], mint, keys[0], 10**9 + at, decimals)
        for at, (mint, decimals) in enumerate([(USDC, 6), (WSOL, 9), (USDC, 6), (WSOL, 9)], start=1)
    )
    return _landed(tuple(calls), balances, keys[0])


def _landed(calls: tuple[Instruction, ...], balances: tuple[TokenBalance, ...], payer: str) -> Landed:
    return Writer().write(
        Transaction(
            signature=_SIGNATURE,
            slot=0,
            transaction_index=None,
            block_time=None,
            commitment=Commitment.CONFIRMED,
            failed=False,
            accounts=(payer,),
            instructions=calls,
            post_balances=balances,
            fee=5_000,
            compute_units=60_000,
        )
    )
