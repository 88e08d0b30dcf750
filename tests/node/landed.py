"""A transaction as the node keeps it: its JSON as getBlock writes it, and what subscriptions filter by."""

from typing import Any, Final

import msgspec

from app.domain.events import TokenBalance
from app.domain.programs import SPL_TOKEN, TOKEN_2022
from indexer import base58
from indexer.transaction import Instruction, Transaction
from node.logs import FAILURE, write_logs

_LOADED: Final = 4
"""How many addresses of a simulated version 0 transaction come from a lookup table."""
_TABLE: Final = base58.address(b"lookup table of the test node...")
_BLOCKHASH: Final = base58.address(b"recent blockhash of a test node.")
_COMPUTE_BUDGET: Final = "ComputeBudget111111111111111111111111111111"
_BUDGET: Final = Instruction(_COMPUTE_BUDGET, (), b"\x02" + (200_000).to_bytes(4, "little"), 0, 1)
"""Stands for an outer instruction that a source left out because no decoder wants it."""
_RICH: Final = 10_000_000_000
_ERR_NONE: Final = b'"err":null,"status":{"Ok":null}'
_ERROR: Final = b'{"InstructionError":[2,{"Custom":6002}]}'
_ERR_SOME: Final = b'"err":' + _ERROR + b',"status":{"Err":' + _ERROR + b"}"
_BALANCES: Final = 500_000


class Landed(msgspec.Struct, frozen=True, gc=False):
    """One transaction of a block, in the `json` encoding."""

    signature: str
    json: bytes
    """An element of getBlock: `transaction`, `meta`, `version`."""
    mentions: frozenset[str]
    """All its addresses, those of lookup tables too."""
    logs: tuple[str, ...] | None
    """None where the recording has none."""
    error: bytes | None = None
    """JSON of `err`."""
    version: int | None = 0
    """None is legacy."""

    def failed_twin(self, signature: str) -> "Landed":
        """The same calls, sent once more and refused by the program: what three of four transactions are on mainnet."""
        last = self.logs[-1] if self.logs else ""
        failed = last.removesuffix("success") + FAILURE
        json = self.json.replace(self.signature.encode(), signature.encode()).replace(_ERR_NONE, _ERR_SOME)
        if self.logs:
            json = json.replace(f'"{last}"]'.encode(), f'"{failed}"]'.encode())
        logs = (*self.logs[:-1], failed) if self.logs else self.logs
        return Landed(signature, json, self.mentions, logs, _ERROR, self.version)

    def foreign_twin(self, signature: str) -> "Landed":
        """The same transaction under another signature, for programs that nobody decodes."""
        json = self.json.replace(self.signature.encode(), signature.encode())
        return Landed(signature, json, self.mentions, self.logs, self.error, self.version)


class Writer:
    """Writes simulated transactions as a node would; remembers token balances, to tell what they were before."""

    def __init__(self, *, version_1: bool = False) -> None:
        self._held: dict[str, TokenBalance] = {}
        self._version_1 = version_1

    def write(self, transaction: Transaction) -> Landed:
        """One in three is legacy, the others are of version 0 and have addresses from a lookup table; with `version_1`
        those are of version 1, which has none."""
        is_legacy = base58.decode(transaction.signature)[-1] % 3 == 0
        version = None if is_legacy else 1 if self._version_1 else 0
        keys = _Keys(transaction, _LOADED if version == 0 else 0)
        logs = write_logs(transaction.instructions, failed=transaction.failed)
        form = {
            "transaction": _signed(transaction, keys, version),
            "meta": self._meta(transaction, keys, logs),
            "version": "legacy" if version is None else version,
        }
        error = _ERROR if transaction.failed else None
        data = msgspec.json.encode(form)
        return Landed(transaction.signature, data, frozenset(keys.index), logs, error, version)

    def _meta(self, transaction: Transaction, keys: "_Keys", logs: tuple[str, ...]) -> dict[str, Any]:
        err = msgspec.Raw(_ERROR) if transaction.failed else None
        fee = transaction.fee or 5_000
        before = [self._held[b.account] for b in transaction.post_balances if b.account in self._held]
        self._remember(transaction.post_balances)
        return {
            "err": err,
            "status": {"Err": err} if transaction.failed else {"Ok": None},
            "fee": fee,
            "preBalances": [_RICH] * len(keys.index),
            "postBalances": [_RICH - fee] + [_RICH] * (len(keys.index) - 1),
            "innerInstructions": _inner(transaction, keys.index),
            "logMessages": logs,
            "preTokenBalances": [_balance(each, keys.index) for each in before],
            "postTokenBalances": [_balance(each, keys.index) for each in transaction.post_balances],
            "rewards": [],
            "loadedAddresses": {"writable": keys.writable, "readonly": keys.readonly},
            "computeUnitsConsumed": transaction.compute_units,
        }

    def _remember(self, balances: tuple[TokenBalance, ...]) -> None:
        if len(self._held) > _BALANCES:  # A node for people may run for days.
            self._held.clear()
        self._held.update((each.account, each) for each in balances)


class _Keys:
    """The addresses in message order: signers, others, programs called from outside; then the lookup table's."""

    def __init__(self, transaction: Transaction, loaded: int) -> None:
        named = [each.account for each in transaction.post_balances]
        for instruction in transaction.instructions:
            named += [instruction.program, *instruction.accounts]
        keys = list(dict.fromkeys([*transaction.accounts, *named, _COMPUTE_BUDGET]))
        outer = {each.outer_index: each.program for each in transaction.instructions if each.stack_height == 1}
        self.outer_count = 1 + max(outer, default=-1)
        called = {*outer.values(), *([_COMPUTE_BUDGET] if len(outer) < self.outer_count else [])}
        signers = keys[: transaction.signers]
        rest = [key for key in keys[transaction.signers :] if key not in called]
        cut = max(len(rest) - loaded, 0)
        self.programs = [key for key in keys if key in called]
        self.static = [*signers, *rest[:cut], *self.programs]
        half = (cut + len(rest) + 1) // 2
        self.writable, self.readonly = rest[cut:half], rest[half:]
        self.index = {key: at for at, key in enumerate([*self.static, *self.writable, *self.readonly])}


def _signed(transaction: Transaction, keys: _Keys, version: int | None) -> dict[str, Any]:
    outer = {each.outer_index: each for each in transaction.instructions if each.stack_height == 1}
    calls = [outer.get(index, _BUDGET) for index in range(keys.outer_count)]
    message: dict[str, Any] = {
        "accountKeys": keys.static,
        "header": {
            "numRequiredSignatures": transaction.signers,
            "numReadonlySignedAccounts": 0,
            "numReadonlyUnsignedAccounts": len(keys.programs),
        },
        "recentBlockhash": _BLOCKHASH,
        "instructions": [_instruction(each, keys.index) for each in calls],
    }
    if version == 0:
        writable, readonly = range(len(keys.writable)), range(100, 100 + len(keys.readonly))
        table = {"accountKey": _TABLE, "writableIndexes": list(writable), "readonlyIndexes": list(readonly)}
        message["addressTableLookups"] = [table] if keys.writable or keys.readonly else []
    if version == 1:
        message["transactionConfig"] = {"computeUnitLimit": 200_000}
    return {"signatures": [transaction.signature], "message": message}


def _instruction(instruction: Instruction, index: dict[str, int]) -> dict[str, Any]:
    return {
        "programIdIndex": index[instruction.program],
        "accounts": [index[account] for account in instruction.accounts],
        "data": base58.encode(instruction.data),
        "stackHeight": instruction.stack_height,
    }


def _inner(transaction: Transaction, index: dict[str, int]) -> list[dict[str, Any]]:
    groups: dict[int, list[dict[str, Any]]] = {}
    for each in transaction.instructions:
        if each.stack_height != 1:
            groups.setdefault(each.outer_index, []).append(_instruction(each, index))
    return [{"index": outer, "instructions": instructions} for outer, instructions in groups.items()]


def _balance(balance: TokenBalance, index: dict[str, int]) -> dict[str, Any]:
    whole, rest = divmod(balance.amount, 10**balance.decimals)
    text = f"{whole}.{rest:0{balance.decimals}}".rstrip("0").rstrip(".")
    return {
        "accountIndex": index[balance.account],
        "mint": balance.mint,
        "owner": balance.owner,
        "programId": SPL_TOKEN if balance.decimals == 9 else TOKEN_2022,
        "uiTokenAmount": {
            "amount": str(balance.amount),
            "decimals": balance.decimals,
            "uiAmount": float(text),
            "uiAmountString": text,
        },
    }
