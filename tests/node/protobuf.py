"""A landed transaction as Yellowstone sends it: the validator's storage format in protobuf."""

import struct
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from indexer import base58
from indexer.sources.geyser import geyser_pb2 as pb
from node.blocks import is_vote
from node.landed import Landed
from node.wire import compact

_BYTES: Final = 2
"""Wire type of what carries its length (protobuf.dev, Encoding)."""
_ERROR: Final = struct.pack("<IBII", 8, 2, 25, 6002)
"""bincode of `InstructionError(2, Custom(6002))`, whatever the error was: clients only look whether there is one."""


def transaction_update(filters: Sequence[str], info: bytes, index: int, slot: int) -> bytes:
    """A SubscribeUpdate around a transaction that is written already. Fields that are appended to a written message
    are as if they were written with it, so that one writing serves every subscriber and every block."""
    place = pb.SubscribeUpdateTransactionInfo(index=index).SerializeToString()
    transaction = _field(pb.SubscribeUpdateTransaction.TRANSACTION_FIELD_NUMBER, info + place)
    rest = pb.SubscribeUpdateTransaction(slot=slot).SerializeToString()
    head = pb.SubscribeUpdate(filters=filters).SerializeToString()
    return head + _field(pb.SubscribeUpdate.TRANSACTION_FIELD_NUMBER, transaction + rest)


def _field(number: int, value: bytes) -> bytes:
    return compact(number << 3 | _BYTES) + compact(len(value)) + value


def written_info(landed: Landed) -> bytes:
    """The transaction with its meta, without its place in a block."""
    return transaction_info(landed, 0).SerializeToString()


def transaction_info(landed: Landed, index: int) -> pb.SubscribeUpdateTransactionInfo:
    """The transaction with its meta; `index` is its place in the block."""
    form = msgspec.json.decode(landed.json)
    return pb.SubscribeUpdateTransactionInfo(
        signature=base58.decode(landed.signature),
        is_vote=is_vote(landed),
        transaction=_transaction(form["transaction"], versioned=landed.version is not None),
        meta=_meta(form["meta"]),
        index=index,
    )


def _transaction(form: dict[str, Any], *, versioned: bool) -> pb.Transaction:
    message = form["message"]
    header = message["header"]
    return pb.Transaction(
        signatures=[base58.decode(each) for each in form["signatures"]],
        message=pb.Message(
            header=pb.MessageHeader(
                num_required_signatures=header["numRequiredSignatures"],
                num_readonly_signed_accounts=header["numReadonlySignedAccounts"],
                num_readonly_unsigned_accounts=header["numReadonlyUnsignedAccounts"],
            ),
            account_keys=_addresses(message["accountKeys"]),
            recent_blockhash=base58.address_bytes(message["recentBlockhash"]),
            instructions=[pb.CompiledInstruction(**_call(each)) for each in message["instructions"]],
            versioned=versioned,
        ),
    )


def _meta(meta: dict[str, Any]) -> pb.TransactionStatusMeta:
    inner, logs = meta["innerInstructions"], meta["logMessages"]
    return pb.TransactionStatusMeta(
        err=None if meta["err"] is None else pb.TransactionError(err=_ERROR),
        fee=meta["fee"],
        inner_instructions=[_inner(group) for group in inner or ()],
        inner_instructions_none=inner is None,
        log_messages=logs or (),
        log_messages_none=logs is None,
        pre_token_balances=[_balance(each) for each in meta["preTokenBalances"]],
        post_token_balances=[_balance(each) for each in meta["postTokenBalances"]],
        loaded_writable_addresses=_addresses(meta["loadedAddresses"]["writable"]),
        loaded_readonly_addresses=_addresses(meta["loadedAddresses"]["readonly"]),
        compute_units_consumed=meta["computeUnitsConsumed"],
    )


def _inner(group: dict[str, Any]) -> pb.InnerInstructions:
    calls = [pb.InnerInstruction(**_call(each), stack_height=each["stackHeight"]) for each in group["instructions"]]
    return pb.InnerInstructions(index=group["index"], instructions=calls)


def _call(form: dict[str, Any]) -> dict[str, Any]:
    return {
        "program_id_index": form["programIdIndex"],
        "accounts": bytes(form["accounts"]),
        "data": base58.decode(form["data"]),
    }


def _balance(form: dict[str, Any]) -> pb.TokenBalance:
    amount = form["uiTokenAmount"]
    return pb.TokenBalance(
        account_index=form["accountIndex"],
        mint=form["mint"],
        ui_token_amount=pb.UiTokenAmount(decimals=amount["decimals"], amount=amount["amount"]),
        owner=form.get("owner") or "",
        program_id=form.get("programId") or "",
    )


def _addresses(texts: list[str]) -> list[bytes]:
    return [base58.address_bytes(text) for text in texts]
