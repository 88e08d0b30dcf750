"""JSON-RPC answers of a Solana node to values, and what its error codes mean for who asked."""

from functools import cache
from typing import Any, Final, TypeVar, cast

import msgspec
from solana.rpc.jsonrpc import JsonRpcErrorCode

from app.errors import SourceLost

Code = JsonRpcErrorCode
NOT_YET: Final = frozenset((Code.SERVER_ERROR_BLOCK_NOT_AVAILABLE, Code.SERVER_ERROR_BLOCK_STATUS_NOT_AVAILABLE_YET))
"""The block may come, or another node may have it."""
SKIPPED: Final = frozenset((Code.SERVER_ERROR_SLOT_SKIPPED, Code.SERVER_ERROR_LONG_TERM_STORAGE_SLOT_SKIPPED))
"""No block stands at this slot, or this node jumped over it when it started from a snapshot."""
GONE: Final = frozenset((Code.SERVER_ERROR_BLOCK_CLEANED_UP, Code.SERVER_ERROR_TRANSACTION_HISTORY_NOT_AVAILABLE))
"""The node does not keep so old a block; another one may."""
TOO_NEW: Final = Code.SERVER_ERROR_UNSUPPORTED_TRANSACTION_VERSION
ANSWERS: Final = NOT_YET | SKIPPED | GONE | {Code.INVALID_PARAMS, TOO_NEW}
"""Errors that answer the question; every other one says that the node is not fit just now."""
ELSEWHERE: Final = NOT_YET | SKIPPED | GONE
"""Of those, the ones where asking another node may bring more."""

T = TypeVar("T")


class RpcError(SourceLost):
    """The node answers with an error; whoever cannot go on with it lets it end the source, which is opened again.

    Its text is the code only: what a node writes may repeat the key that it was given.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"the node answers with JSON-RPC error {code}{_name(code)}")
        self.number = code


class Malformed(Exception):
    """What came is no JSON-RPC answer of the expected kind."""


class _Error(msgspec.Struct, gc=False):
    code: int


def read_answer(answer: bytes, kind: Any) -> Any:
    """The `result`, of type `kind`. Raises RpcError for an error of the node, Malformed for what is no answer."""
    try:
        read = _decoder(kind).decode(answer)
    except (ValueError, RecursionError):
        raise Malformed("an answer that is not what was asked for") from None
    if read.error is not None:
        raise RpcError(read.error.code)
    if read.result is msgspec.UNSET:
        raise Malformed("an answer without result")
    return read.result


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    fields = [("result", kind | msgspec.UnsetType, msgspec.UNSET), ("error", _Error | None, None)]
    return msgspec.json.Decoder(msgspec.defstruct("Answer", cast(Any, fields), gc=False))


def _name(code: int) -> str:
    return f" {Code(code).name}" if code in set(Code) else ""
