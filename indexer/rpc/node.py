"""What Curvecast asks of a Solana node, typed: each question goes to the best node of the pool."""

from typing import Final

import msgspec
from solders.commitment_config import CommitmentLevel
from solders.pubkey import Pubkey
from solders.rpc.config import RpcBlockConfig, RpcContextConfig, RpcSignaturesForAddressConfig, RpcTransactionConfig
from solders.rpc.requests import (
    GetBlock,
    GetBlocks,
    GetFirstAvailableBlock,
    GetSignaturesForAddress,
    GetSlot,
    GetTransaction,
)
from solders.signature import Signature
from solders.transaction_status import TransactionDetails, UiTransactionEncoding

from app.domain.programs import Commitment
from indexer.parse import Parsed, parse
from indexer.rpc.answers import read_answer
from indexer.rpc.block import Block, Link, read_block, read_link
from indexer.rpc.pool import Pool

LEVELS: Final = {
    Commitment.PROCESSED: CommitmentLevel.Processed,
    Commitment.CONFIRMED: CommitmentLevel.Confirmed,
    Commitment.FINALIZED: CommitmentLevel.Finalized,
}
_VERSION: Final = 1
"""Newest transaction version that is understood; nodes refuse blocks with newer ones."""
_BLOCK_SECONDS: Final = 20.0
"""Time limit of a block: some 8 MB."""


class Signed(msgspec.Struct, frozen=True, gc=False):
    """An element of getSignaturesForAddress."""

    signature: str
    slot: int
    err: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def failed(self) -> bool:
        return bytes(self.err) != b"null"


class Node:
    """Questions to a pool. All raise SourceLost when no node serves, RpcError where the answer is an error."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def slot(self, commitment: Commitment) -> int:
        """Newest slot of that commitment."""
        request = GetSlot(RpcContextConfig(commitment=LEVELS[commitment])).to_json()
        return await self.pool.ask(request, _read_number)

    async def slots(self, first: int, last: int, commitment: Commitment) -> list[int]:
        """Slots with a block, from `first` to `last`, as this node knows them: what is not there may yet be."""
        request = GetBlocks(first, last, LEVELS[commitment]).to_json()
        answer = await self.pool.ask(request, _read_numbers)
        return sorted({slot for slot in answer if first <= slot <= last})

    async def block(self, slot: int, commitment: Commitment) -> Block | None:
        """A block with our transactions; None when the node says that there is none."""
        request = _block_request(slot, commitment, TransactionDetails.Full)
        return await self.pool.ask(request, lambda answer: read_block(answer, slot, commitment), _BLOCK_SECONDS)

    async def link(self, slot: int, commitment: Commitment) -> Link | None:
        """A block's place in the chain; None when the node says that there is none."""
        request = _block_request(slot, commitment, TransactionDetails.None_)
        return await self.pool.ask(request, lambda answer: read_link(answer, slot))

    async def first_available(self) -> int:
        """Oldest slot whose block the node still has."""
        return await self.pool.ask(GetFirstAvailableBlock().to_json(), _read_number)

    async def transaction(self, signature: str, commitment: Commitment) -> Parsed:
        """A transaction, whole; nothing in it when no node has it (yet)."""
        config = RpcTransactionConfig(
            encoding=UiTransactionEncoding.Json,
            commitment=LEVELS[commitment],
            max_supported_transaction_version=_VERSION,
        )
        request = GetTransaction(Signature.from_string(signature), config).to_json()
        return await self.pool.ask(request, lambda answer: _read_transaction(answer, commitment))

    async def signatures(self, address: str, before: str | None) -> list[Signed]:
        """The newest 1,000 signatures that mention an address, newest first, or those before one of them."""
        config = RpcSignaturesForAddressConfig(
            before=Signature.from_string(before) if before else None, commitment=CommitmentLevel.Confirmed
        )
        request = GetSignaturesForAddress(Pubkey.from_string(address), config).to_json()
        return await self.pool.ask(request, _read_signatures)


def _block_request(slot: int, commitment: Commitment, details: TransactionDetails) -> str:
    config = RpcBlockConfig(
        encoding=UiTransactionEncoding.Json,
        transaction_details=details,
        rewards=False,
        commitment=LEVELS[commitment],
        max_supported_transaction_version=_VERSION,
    )
    return GetBlock(slot, config).to_json()


def _read_number(answer: bytes) -> int:
    number: int = read_answer(answer, int)
    return number


def _read_numbers(answer: bytes) -> list[int]:
    numbers: list[int] = read_answer(answer, list[int])
    return numbers


def _read_signatures(answer: bytes) -> list[Signed]:
    found: list[Signed] = read_answer(answer, list[Signed])
    return found


def _read_transaction(answer: bytes, commitment: Commitment) -> Parsed:
    raw = read_answer(answer, msgspec.Raw)
    return Parsed() if bytes(raw) == b"null" else parse(raw, commitment)
