"""Accounts of a token that was met in mid-life to `TokenFacts`: what its launch would have told."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple, TypeAlias

from app.domain.facts import TokenFacts, VenueFacts
from app.domain.programs import Protocol, TradeProgram
from app.errors import DecodeError
from indexer.accounts import read_account
from indexer.base58 import encode
from indexer.mints import (
    NO_NAMES,
    Mint,
    Names,
    bonding_curve_address,
    metadata_address,
    read_amount,
    read_metadata,
    read_mint,
)

_AT_ONCE: Final = 100
"""Accounts that getMultipleAccounts answers at once."""


class Held(NamedTuple):
    """An account as a node tells it."""

    owner: str
    """Program that owns it."""
    data: bytes


class Snapshot(NamedTuple):
    """Accounts at one slot; an address without an account is absent."""

    slot: int
    accounts: Mapping[str, Held]


ReadAccounts: TypeAlias = Callable[[Sequence[str]], Awaitable[Snapshot]]
"""Up to 100 addresses to what is there. Raises SourceLost when no node answers."""


class Wanted(NamedTuple):
    """A token whose facts are wanted, and its venues as far as they are known."""

    mint: str
    venues: tuple[tuple[str, Protocol], ...]


class _Found:
    """Accounts that were read so far. What cannot be decoded is as if it were not there: nothing is guessed."""

    def __init__(self) -> None:
        self.slot = 0
        self._accounts: dict[str, Held] = {}

    async def read(self, read: ReadAccounts, addresses: Iterable[str]) -> None:
        wanted = [each for each in dict.fromkeys(addresses) if each not in self._accounts]
        for start in range(0, len(wanted), _AT_ONCE):
            snapshot = await read(wanted[start : start + _AT_ONCE])
            self.slot = max(self.slot, snapshot.slot)
            self._accounts.update(snapshot.accounts)

    def fields(self, address: str, name: str) -> dict[str, Any]:
        """The fields of an account of ours, if it is of that kind."""
        with suppress(DecodeError, KeyError):
            account = read_account(*self._accounts[address])
            if account.name == name:
                return account.read.fields
        return {}

    def mint(self, address: str) -> Mint | None:
        with suppress(DecodeError, KeyError):
            return read_mint(*self._accounts[address])
        return None

    def owner(self, address: str) -> str | None:
        return self._accounts[address].owner if address in self._accounts else None

    def names(self, mint: str) -> Names:
        with suppress(DecodeError, KeyError):
            return read_metadata(*self._accounts[metadata_address(mint)])
        return NO_NAMES

    def amount(self, address: str) -> int | None:
        with suppress(DecodeError, KeyError):
            return read_amount(*self._accounts[address])
        return None


async def read_facts(read: ReadAccounts, wanted: Sequence[Wanted]) -> list[TokenFacts]:
    """What the accounts of these tokens say now, in two rounds of batched reads.

    Raises what `read` raises. A token whose mint account is gone has no facts.
    """
    found = _Found()
    await found.read(read, (address for token in wanted for address in _first_round(token)))
    await found.read(read, (address for token in wanted for address in _second_round(token, found)))
    facts = (_facts(token, found) for token in wanted)
    return [each for each in facts if each is not None]


def _first_round(token: Wanted) -> list[str]:
    venues = [address for address, _ in token.venues]
    return [token.mint, metadata_address(token.mint), bonding_curve_address(token.mint), *venues]


def _second_round(token: Wanted, found: _Found) -> list[str]:
    """What the venues point to: the vaults of a pool, the config of a Meteora curve."""
    addresses: list[str] = []
    for address, _ in token.venues:
        pool = found.fields(address, "Pool")
        addresses += [pool[each] for each in ("pool_base_token_account", "pool_quote_token_account") if each in pool]
        if config := _state(found.fields(address, "VirtualPool")).get("config"):
            addresses.append(config)
    return addresses


def _facts(token: Wanted, found: _Found) -> TokenFacts | None:
    mint = found.mint(token.mint)
    if mint is None:
        return None
    names = mint.names if mint.names != NO_NAMES else found.names(token.mint)
    curve = found.fields(bonding_curve_address(token.mint), "BondingCurve")
    venues = [_venue(address, protocol, token.mint, found) for address, protocol in token.venues]
    meteora = [_state(found.fields(address, "VirtualPool")) for address, _ in token.venues]
    pools = [found.fields(address, "Pool") for address, _ in token.venues]
    creators = [
        curve.get("creator"),
        *(each.get("creator") for each in meteora),
        *(each.get("coin_creator") for each in pools),
    ]
    return TokenFacts(
        mint=token.mint,
        slot=found.slot,
        name=names.name,
        symbol=names.symbol,
        uri=names.uri,
        creator=next((each for each in creators if each and each != _NOBODY), None),
        decimals=mint.decimals,
        token_program=found.owner(token.mint),
        total_supply=curve.get("token_total_supply", mint.supply),
        venues=tuple(each for each in venues if each is not None),
    )


_NOBODY: Final = encode(bytes(32))
"""The default address: no creator."""


def _venue(address: str, protocol: Protocol, mint: str, found: _Found) -> VenueFacts | None:
    match protocol:
        case Protocol.PUMP_FUN | Protocol.PUMP_FUN_MAYHEM:
            return _pump_curve(address, found.fields(address, "BondingCurve"))
        case Protocol.PUMP_SWAP:
            return _pump_pool(address, mint, found)
        case Protocol.METEORA_DBC:
            return _meteora_curve(address, found)
        case _:
            return None


def _pump_curve(address: str, curve: Mapping[str, Any]) -> VenueFacts | None:
    """IDL pump 0.1.0, BondingCurve. A complete curve holds nothing any more: its state prices no trade."""
    if not curve or curve.get("complete"):
        return None
    return VenueFacts(
        address=address,
        kind=TradeProgram.BONDING_CURVE,
        virtual_base_reserves=curve.get("virtual_token_reserves"),
        virtual_quote_reserves=curve.get("virtual_quote_reserves"),
        real_base_reserves=curve.get("real_token_reserves"),
        real_quote_reserves=curve.get("real_quote_reserves"),
    )


def _pump_pool(address: str, mint: str, found: _Found) -> VenueFacts | None:
    """IDL pump_amm 0.1.0, Pool, and the balances of its two vaults; turned round where the token is its quote."""
    pool = found.fields(address, "Pool")
    if mint not in (pool.get("base_mint"), pool.get("quote_mint")):
        return None
    base, quote = found.amount(pool["pool_base_token_account"]), found.amount(pool["pool_quote_token_account"])
    if base is None or quote is None:
        return None
    is_inverted = pool["quote_mint"] == mint
    virtual = quote + pool.get("virtual_quote_reserves", 0)
    own, other = ((base, base), (quote, virtual))
    if is_inverted:
        own, other = other, own
    return VenueFacts(
        address=address,
        kind=TradeProgram.AMM_POOL,
        real_base_reserves=own[0],
        virtual_base_reserves=own[1],
        real_quote_reserves=other[0],
        virtual_quote_reserves=other[1],
        is_inverted=is_inverted,
    )


def _meteora_curve(address: str, found: _Found) -> VenueFacts | None:
    """IDL dynamic_bonding_curve 0.2.1, VirtualPool and PoolConfig."""
    pool = _state(found.fields(address, "VirtualPool"))
    if not pool:
        return None
    config = found.fields(pool["config"], "PoolConfig")
    return VenueFacts(
        address=address,
        kind=TradeProgram.BONDING_CURVE,
        config=pool["config"],
        real_base_reserves=pool["base_reserve"],
        real_quote_reserves=pool["quote_reserve"],
        sqrt_price=pool["sqrt_price"],
        migration_threshold=config.get("migration_quote_threshold"),
    )


def _state(virtual_pool: Mapping[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = virtual_pool.get("pool_state", {})
    return state
