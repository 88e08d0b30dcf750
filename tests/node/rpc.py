"""The JSON-RPC methods of a node, with the error codes of Agave's `rpc-client-api/custom_error.rs`."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from app.domain.programs import Commitment
from indexer import base58
from node.accounts import AccountBook
from node.blocks import Block
from node.chain import Chain
from node.faults import Faults
from node.params import (
    MAX_SIGNATURES,
    Params,
    RpcError,
    account_encoding,
    address_at,
    block_encoding,
    check_context,
    check_version,
    read_commitment,
    read_config,
    text_at,
    whole,
)

VERSION: Final = "3.1.0-curvecast"
LONG_TERM_SLOTS: Final = 10_000
"""Older skipped slots are answered as by a node that asks a long-term store."""
_MAX_RANGE: Final = 500_000
_MAX_ACCOUNTS: Final = 100


class Rpc:
    """One node's methods over a chain."""

    def __init__(self, chain: Chain, faults: Faults) -> None:
        self._chain = chain
        self._faults = faults
        self.accounts = AccountBook(chain)
        self._methods: Mapping[str, Callable[[Params], Any]] = {
            "getAccountInfo": self._account_info,
            "getBlock": self._block,
            "getBlockHeight": self._block_height,
            "getBlockTime": self._block_time,
            "getBlocks": self._blocks,
            "getBlocksWithLimit": self._blocks_with_limit,
            "getFirstAvailableBlock": lambda _: self._chain.first_slot,
            "getGenesisHash": lambda _: self._faults.genesis_hash or self._chain.genesis_hash,
            "getHealth": self._health,
            "getLatestBlockhash": self._latest_blockhash,
            "getMultipleAccounts": self._multiple_accounts,
            "getSignaturesForAddress": self._signatures_for_address,
            "getSlot": self._slot,
            "getTransaction": self._transaction,
            "getVersion": lambda _: {"solana-core": VERSION, "feature-set": 1},
        }

    def answer(self, request: Any) -> bytes:
        """The response to one request of a batch or alone."""
        number = request.get("id") if isinstance(request, dict) else None
        try:
            result = self._call(request)
        except RpcError as error:
            return msgspec.json.encode({"jsonrpc": "2.0", "error": error.form(), "id": number})
        raw = msgspec.Raw(result) if isinstance(result, bytes) else result
        return msgspec.json.encode({"jsonrpc": "2.0", "result": raw, "id": number})

    def _call(self, request: Any) -> Any:
        if not isinstance(request, dict) or not isinstance(request.get("method"), str):
            raise RpcError(-32600, "Invalid request")
        method = self._methods.get(request["method"])
        if method is None:
            raise RpcError(-32601, "Method not found")
        params = request.get("params") or []
        if not isinstance(params, list):
            raise RpcError(-32602, "Invalid params: expected an array.")
        return method(params)

    # ------------------------------------------------------------ where the node is

    def _tip(self, commitment: Commitment) -> int:
        return self._chain.tip(commitment, behind=self._faults.lag)

    def _slot(self, params: Params) -> int:
        config = read_config(params, 0)
        tip = self._tip(read_commitment(config.commitment))
        check_context(config, tip)
        return tip

    def _block_height(self, params: Params) -> int:
        block = self._chain.block(self._slot(params))
        return 0 if block is None else block.height

    def _latest_blockhash(self, params: Params) -> dict[str, Any]:
        block = self._chain.block(self._slot(params))
        if block is None:
            raise RpcError(-32004, "Block not available yet")
        return _in_context(block.slot, {"blockhash": block.hash, "lastValidBlockHeight": block.height + 150})

    def _health(self, _: Params) -> str:
        if self._faults.lag:
            behind = self._faults.lag
            raise RpcError(-32005, f"Node is behind by {behind} slots", {"numSlotsBehind": behind})
        return "ok"

    # ------------------------------------------------------------ blocks

    def _block(self, params: Params) -> bytes:
        slot = whole(params, 0, "slot")
        config = read_config(params, 1)
        block = self._block_at(slot, read_commitment(config.commitment, lowest=Commitment.CONFIRMED))
        if config.transaction_details not in ("full", "accounts", "signatures", "none"):
            raise RpcError(-32602, f"Invalid params: unknown variant `{config.transaction_details}`.")
        if config.transaction_details in ("full", "accounts"):
            check_version(block, config.max_supported_transaction_version)
        return block.json(config.transaction_details, block_encoding(config), rewards=config.rewards is not False)

    def _block_at(self, slot: int, commitment: Commitment) -> Block:
        """The block of a slot; else the error of a node: not there yet, skipped, or cleaned up."""
        finalized = self._tip(Commitment.FINALIZED)
        block = self._chain.block(slot)
        if slot < self._chain.first_slot:
            first = self._chain.first_slot
            raise RpcError(-32001, f"Block {slot} cleaned up, does not exist on node. First available block: {first}")
        # A skipped slot is told as such only when a block on top is finalized; before, nobody can know.
        if slot > self._tip(commitment) or (block is None and slot > finalized):
            raise RpcError(-32004, f"Block not available for slot {slot}")
        if block is not None:
            return block
        if slot < finalized - LONG_TERM_SLOTS:
            raise RpcError(-32009, f"Slot {slot} was skipped, or missing in long-term storage")
        raise RpcError(-32007, f"Slot {slot} was skipped, or missing due to ledger jump to recent snapshot")

    def _block_time(self, params: Params) -> int:
        return self._block_at(whole(params, 0, "slot"), Commitment.CONFIRMED).time

    def _blocks(self, params: Params) -> list[int]:
        first = whole(params, 0, "slot")
        has_end = len(params) > 1 and isinstance(params[1], int)
        config = read_config(params, 2 if has_end or len(params) > 2 else 1)
        tip = self._tip(read_commitment(config.commitment, lowest=Commitment.CONFIRMED))
        last = min(params[1], tip) if has_end else tip
        if last - first > _MAX_RANGE:
            raise RpcError(-32602, f"Slot range too large; max {_MAX_RANGE}")
        return [block.slot for block in self._chain.blocks(first, last)]

    def _blocks_with_limit(self, params: Params) -> list[int]:
        first, limit = whole(params, 0, "slot"), whole(params, 1, "limit")
        if limit > _MAX_RANGE:
            raise RpcError(-32602, f"Limit too large; max {_MAX_RANGE}")
        tip = self._tip(read_commitment(read_config(params, 2).commitment, lowest=Commitment.CONFIRMED))
        return [block.slot for block in self._chain.blocks(first, tip)][:limit]

    # ------------------------------------------------------------ transactions

    def _transaction(self, params: Params) -> bytes | None:
        signature = text_at(params, 0)
        if not base58.is_signature(signature):
            raise RpcError(-32602, "Invalid param: Invalid")
        config = read_config(params, 1)
        tip = self._tip(read_commitment(config.commitment, lowest=Commitment.CONFIRMED))
        found = self._chain.find(signature)
        if found is None or found[0].slot > tip:
            return None
        check_version(found[0], config.max_supported_transaction_version, found[1])
        return found[0].transaction_json(found[1], block_encoding(config))

    def _signatures_for_address(self, params: Params) -> list[dict[str, Any]]:
        address, config = address_at(params, 0), read_config(params, 1)
        commitment = read_commitment(config.commitment, lowest=Commitment.CONFIRMED)
        finalized = self._tip(Commitment.FINALIZED)
        out: list[dict[str, Any]] = []
        is_after = config.before is not None
        for block in reversed(list(self._chain.blocks(self._chain.first_slot, self._tip(commitment)))):
            status = "finalized" if block.slot <= finalized else "confirmed"
            for index, landed in reversed(list(enumerate(block.transactions))):
                if landed.signature == config.until or len(out) == min(config.limit, MAX_SIGNATURES):
                    return out
                if not is_after and address in landed.mentions:
                    out.append(_signature_form(block, index, status))
                is_after = is_after and landed.signature != config.before
        return out

    # ------------------------------------------------------------ accounts

    def _account_info(self, params: Params) -> dict[str, Any]:
        address, config = address_at(params, 0), read_config(params, 1)
        slot = self._slot([{"commitment": config.commitment, "minContextSlot": config.min_context_slot}])
        return _in_context(slot, self.accounts.read(address, slot, account_encoding(config)))

    def _multiple_accounts(self, params: Params) -> dict[str, Any]:
        addresses, config = params[0] if params else None, read_config(params, 1)
        if not isinstance(addresses, list):
            raise RpcError(-32602, "Invalid params: expected an array of addresses.")
        if len(addresses) > _MAX_ACCOUNTS:
            raise RpcError(-32602, f"Too many inputs provided; max {_MAX_ACCOUNTS}")
        keys = [address_at(addresses, index) for index in range(len(addresses))]
        slot = self._slot([{"commitment": config.commitment, "minContextSlot": config.min_context_slot}])
        return _in_context(slot, [self.accounts.read(key, slot, account_encoding(config)) for key in keys])


def _signature_form(block: Block, index: int, status: str) -> dict[str, Any]:
    landed = block.transactions[index]
    return {
        "signature": landed.signature,
        "slot": block.slot,
        "err": None if landed.error is None else msgspec.Raw(landed.error),
        "memo": None,
        "blockTime": block.time,
        "confirmationStatus": status,
        "transactionIndex": index,
    }


def _in_context(slot: int, value: Any) -> dict[str, Any]:
    return {"context": {"apiVersion": VERSION, "slot": slot}, "value": value}
