"""Accounts of the programs, folded from what their transactions did: what getMultipleAccounts answers."""

from typing import Any

from node.chain import Chain


class AccountBook:
    """Accounts as they stood at a slot."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    def read(self, address: str, slot: int) -> dict[str, Any] | None:
        return None
