"""A transaction as Yellowstone sends it (the validator's storage format in protobuf) to `Transaction`."""

from collections.abc import Iterator, Sequence
from typing import Final

from app.domain.events import TokenBalance
from app.domain.programs import Commitment
from indexer.base58 import address, encode
from indexer.decoders import KNOWN_PROGRAMS, WITHOUT_BALANCES
from indexer.sources.geyser import geyser_pb2 as pb
from indexer.transaction import Instruction, Transaction, Unfit, read_amount

_KEY_BYTES: Final = 32


def read_transaction(
    info: pb.SubscribeUpdateTransactionInfo, slot: int, block_time: int | None, commitment: Commitment
) -> Transaction:
    """The transaction; Unfit (or another ValueError) when it cannot be one."""
    message, meta = info.transaction.message, info.meta
    if len(info.signature) != 2 * _KEY_BYTES:
        raise Unfit("a transaction without signature")
    raw = [*message.account_keys, *meta.loaded_writable_addresses, *meta.loaded_readonly_addresses]
    keys = tuple([address(key) for key in raw])
    partial = meta.inner_instructions_none
    return Transaction(
        signature=encode(info.signature),
        slot=slot,
        transaction_index=info.index,
        block_time=block_time,
        commitment=commitment,
        failed=meta.HasField("err"),
        accounts=keys,
        signers=max(1, message.header.num_required_signatures),
        instructions=tuple(_instructions(message, meta, keys)),
        logs=tuple(meta.log_messages) if partial else (),
        post_balances=_balances(meta, keys),
        fee=meta.fee,
        compute_units=meta.compute_units_consumed if meta.HasField("compute_units_consumed") else None,
        is_partial=partial,
    )


def _instructions(message: pb.Message, meta: pb.TransactionStatusMeta, keys: tuple[str, ...]) -> Iterator[Instruction]:
    """Outer and inner in execution order, of the programs that matter."""
    wanted = KNOWN_PROGRAMS if meta.post_token_balances or meta.pre_token_balances else WITHOUT_BALANCES
    programs = {index: key for index, key in enumerate(keys) if key in wanted}
    inner = {group.index: group.instructions for group in meta.inner_instructions}
    for index, outer in enumerate(message.instructions):
        if program := programs.get(outer.program_id_index):
            yield Instruction(program, _accounts(outer.accounts, keys), outer.data, index, 1)
        for called in inner.get(index, ()):
            if program := programs.get(called.program_id_index):
                height = called.stack_height if called.HasField("stack_height") else None
                yield Instruction(program, _accounts(called.accounts, keys), called.data, index, height)


def _accounts(indexes: bytes, keys: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple([keys[index] for index in indexes])
    except IndexError:
        raise Unfit(f"an account index is beyond the {len(keys)} accounts") from None


def _balances(meta: pb.TransactionStatusMeta, keys: Sequence[str]) -> tuple[TokenBalance, ...]:
    """Balances after the transaction; an account that was there before and is not any more holds 0."""
    there = {balance.account_index for balance in meta.post_token_balances}
    gone = [balance for balance in meta.pre_token_balances if balance.account_index not in there]
    held = [_balance(each, keys, read_amount(each.ui_token_amount.amount)) for each in meta.post_token_balances]
    return (*held, *(_balance(each, keys, 0) for each in gone))


def _balance(balance: pb.TokenBalance, keys: Sequence[str], amount: int) -> TokenBalance:
    if balance.account_index >= len(keys):
        raise Unfit(f"a token balance is beyond the {len(keys)} accounts")
    account, decimals = keys[balance.account_index], balance.ui_token_amount.decimals
    return TokenBalance(account, balance.mint, balance.owner, amount, decimals)
