"""What a request of JSON-RPC may say: parameters and configuration, checked with the errors of a real node."""

from typing import Any, Final, TypeAlias

import msgspec

from app.domain.programs import Commitment
from indexer import base58
from node.blocks import Block

MAX_SIGNATURES: Final = 1_000
_ENCODINGS: Final = {"json": "json", "jsonParsed": "json", "base64": "base64"}
"""jsonParsed is answered as json, as nodes answer it for programs that they cannot parse."""
Params: TypeAlias = list[Any]


class RpcError(Exception):
    """An `error` object."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.data = code, message, data

    def form(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message} | ({} if self.data is None else {"data": self.data})


class Config(msgspec.Struct, rename="camel"):
    """The configuration object of any method."""

    commitment: str = "finalized"
    encoding: str | None = None
    transaction_details: str = "full"
    rewards: bool | None = None
    show_rewards: bool | None = None
    max_supported_transaction_version: int | None = None
    min_context_slot: int | None = None
    limit: int = MAX_SIGNATURES
    before: str | None = None
    until: str | None = None


def read_config(params: Params, index: int) -> Config:
    """The configuration at `index`, or the defaults; -32602 where it is none."""
    if len(params) <= index or params[index] is None:
        return Config()
    given = {"encoding": params[index]} if isinstance(params[index], str) else params[index]
    if isinstance(given, dict):  # null is as good as absent
        given = {name: value for name, value in given.items() if value is not None}
    try:
        return msgspec.convert(given, Config)
    except msgspec.ValidationError as error:
        raise RpcError(-32602, f"Invalid params: {error}.") from None


def read_commitment(name: str, *, lowest: Commitment = Commitment.PROCESSED) -> Commitment:
    """-32602 for one that is none, or below what a method supports."""
    found = Commitment.__members__.get(name.upper())
    if found is None:
        raise RpcError(-32602, f"Invalid params: unknown variant `{name}`.")
    if found < lowest:
        raise RpcError(-32602, "Method does not support commitment below `confirmed`")
    return found


def check_version(block: Block, most: int | None, index: int | None = None) -> None:
    """-32015 where a transaction is newer than the client says it can read."""
    newest = block.newest_version if index is None else block.transactions[index].version
    if newest is not None and (most is None or newest > most):
        raise RpcError(
            -32015,
            f"Transaction version ({newest}) is not supported by the requesting client. Please try the request again "
            f'with the following configuration parameter: "maxSupportedTransactionVersion": {newest}',
        )


def check_context(config: Config, slot: int) -> None:
    """-32016 where the node has not come to the slot that the client wants at least."""
    if config.min_context_slot is not None and config.min_context_slot > slot:
        raise RpcError(-32016, "Minimum context slot has not been reached", {"contextSlot": slot})


def block_encoding(config: Config) -> str:
    """`json` or `base64`; -32602 for what this node does not write."""
    found = _ENCODINGS.get(config.encoding or "json")
    if found is None:
        raise RpcError(-32602, f"Invalid params: this node does not write the encoding `{config.encoding}`.")
    return found


def account_encoding(config: Config) -> str:
    """Accounts of these programs cannot be parsed by a node: jsonParsed is answered as base64, as nodes do."""
    return "base64+zstd" if config.encoding == "base64+zstd" else "base64"


def whole(params: Params, index: int, name: str) -> int:
    """A u64."""
    if len(params) <= index or not isinstance(params[index], int) or params[index] < 0:
        raise RpcError(-32602, f"Invalid params: `{name}` is not a u64.")
    return int(params[index])


def text_at(params: Params, index: int) -> str:
    """A string."""
    if len(params) <= index or not isinstance(params[index], str):
        raise RpcError(-32602, "Invalid params: expected a string.")
    return str(params[index])


def address_at(params: Params, index: int) -> str:
    """A base58 address."""
    text = text_at(params, index)
    try:
        base58.address_bytes(text)
    except ValueError:
        raise RpcError(-32602, "Invalid param: Invalid") from None
    return text
