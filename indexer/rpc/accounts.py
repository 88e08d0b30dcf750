"""Accounts of the chain as they stand now: up to 100 in one question."""

from base64 import b64decode
from collections.abc import Sequence

import msgspec
from solders.account_decoder import UiAccountEncoding
from solders.commitment_config import CommitmentLevel
from solders.pubkey import Pubkey
from solders.rpc.config import RpcAccountInfoConfig
from solders.rpc.requests import GetMultipleAccounts

from indexer.facts import Held, Snapshot
from indexer.rpc.answers import Malformed, read_answer
from indexer.rpc.pool import Pool


class _Account(msgspec.Struct, gc=False):
    owner: str
    data: tuple[str, str]


class _Context(msgspec.Struct, gc=False):
    slot: int


class _Accounts(msgspec.Struct, gc=False):
    """The answer to getMultipleAccounts."""

    context: _Context
    value: list[_Account | None]


async def read_accounts(pool: Pool, addresses: Sequence[str]) -> Snapshot:
    """What stands at these addresses; where there is no account, nothing. Raises SourceLost when no node serves."""
    config = RpcAccountInfoConfig(encoding=UiAccountEncoding.Base64, commitment=CommitmentLevel.Confirmed)
    request = GetMultipleAccounts([Pubkey.from_string(each) for each in addresses], config).to_json()
    return await pool.ask(request, lambda answer: _read(answer, addresses))


def _read(answer: bytes, addresses: Sequence[str]) -> Snapshot:
    read: _Accounts = read_answer(answer, _Accounts)
    if len(read.value) != len(addresses):
        raise Malformed("an answer with another number of accounts than was asked for")
    try:
        held = {
            address: Held(each.owner, b64decode(each.data[0], validate=True))
            for address, each in zip(addresses, read.value, strict=True)
            if each is not None
        }
    except ValueError:
        raise Malformed("an account whose data cannot be read") from None
    return Snapshot(read.context.slot, held)
