"""Accounts of the programs, folded from what their transactions did: what getMultipleAccounts answers.

Curves, pools, DBC pools and configs, mints with their names, token accounts: in the layouts of the IDLs and of the
token programs. What the transactions of a chain do not tell of an account is zero in it. Long, because each kind of
event changes each kind of account in its own way.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
import zstandard

from app.domain.events import Completion, Event, Launch, Migration, PoolCreation, TokenBalance, Trade
from app.domain.programs import (
    METEORA_DBC,
    NATIVE_SOL,
    PUMP_FUN,
    PUMP_SWAP,
    SPL_TOKEN,
    TOKEN_2022,
    WSOL,
    Protocol,
    TradeProgram,
)
from indexer.decoders import decode
from indexer.layouts.dynamic_bonding_curve import DBC
from indexer.layouts.pump import PUMP
from indexer.layouts.pump_amm import PUMP_AMM
from indexer.parse import parse
from indexer.sources.simulate import market
from indexer.transaction import Transaction
from node import token_accounts
from node.blocks import Block
from node.chain import Chain, Step

_RENT: Final = 2_039_280
_VERSIONS: Final = 80
"""How many slots an account is remembered for: more than a fork or an unfinalized read reaches back."""
_FEE_DENOMINATOR: Final = 1_000_000_000
_LAYOUTS: Final = {
    "curve": (PUMP_FUN, PUMP.account("BondingCurve")),
    "pool": (PUMP_SWAP, PUMP_AMM.account("Pool")),
    "dbc pool": (METEORA_DBC, DBC.account("VirtualPool")),
    "dbc config": (METEORA_DBC, DBC.account("PoolConfig")),
}
Fields = dict[str, Any]


def _blank(kind: str) -> Fields:
    """Every field zero; a DBC pool's stand one level deeper."""
    fields = dict(_LAYOUTS[kind][1].decode(bytes(4_096)).fields)
    return dict(fields["pool_state"]) if kind == "dbc pool" else fields


_BLANKS: Final = {kind: _blank(kind) for kind in _LAYOUTS}


class Account(msgspec.Struct, frozen=True, gc=False):
    """One account at one slot."""

    owner: str
    data: Callable[[], bytes]
    """Written when it is asked for: far more is folded than is read."""
    fields: Fields = {}
    """What `data` writes, of accounts that change field by field."""


class AccountBook:
    """All accounts of a chain, at the slots of the last while."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._folded = -1
        self._versions: dict[str, list[tuple[int, Account]]] = {}
        self._given: dict[str, Account] = {}
        self.close = chain.listen(self._hear)

    def put(self, address: str, owner: str, data: bytes) -> None:
        """An account as a test wants it, whatever the chain does."""
        self._given[address] = Account(owner, lambda: data)

    def read(self, address: str, slot: int, encoding: str = "base64") -> dict[str, Any] | None:
        """The `value` of getAccountInfo; None where there is no such account at that slot."""
        self._fold()
        account = self._given.get(address)
        if account is None:
            account = next((each for at, each in reversed(self._versions.get(address, [])) if at <= slot), None)
        if account is None:
            return None
        data = account.data()
        packed = zstandard.compress(data) if encoding == "base64+zstd" else data
        return {
            "data": [b64encode(packed).decode(), encoding],
            "executable": False,
            "lamports": _RENT,
            "owner": account.owner,
            "rentEpoch": 18_446_744_073_709_551_615,
            "space": len(data),
        }

    def _hear(self, step: Step, block: Block) -> None:
        """Takes back what a block did that left the chain."""
        if step is not Step.RETRACTED or block.slot > self._folded:
            return
        self._folded = block.slot - 1
        for address, versions in tuple(self._versions.items()):
            while versions and versions[-1][0] >= block.slot:
                versions.pop()
            if not versions:
                del self._versions[address]

    def _fold(self) -> None:
        for block in self._chain.blocks(self._folded + 1, self._chain.slot):
            for index, landed in enumerate(block.transactions):
                if landed.error is None:
                    self._apply(block.slot, parse(block.transaction_json(index)).transactions)
            self._folded = block.slot

    def _apply(self, slot: int, transactions: tuple[Transaction, ...]) -> None:
        for transaction in transactions:
            for balance in transaction.post_balances:
                self._put(slot, balance.account, _token_account(balance))
            named = dict(_named_accounts(transaction))
            for event in decode(transaction).events:
                for address, kind, changes in _changes(event, named):
                    self._change(slot, address, kind, changes)
                if isinstance(event, Launch):
                    self._launch(slot, event)

    def _change(self, slot: int, address: str, kind: str, changes: Fields) -> None:
        owner, layout = _LAYOUTS[kind]
        versions = self._versions.get(address)
        before = versions[-1][1].fields if versions else _BLANKS[kind]
        fields = {**before, **{name: value for name, value in changes.items() if value is not None}}
        written = {"pool_state": fields} if kind == "dbc pool" else fields
        self._put(slot, address, Account(owner, lambda: layout.encode(written), fields))

    def _launch(self, slot: int, launch: Launch) -> None:
        program = launch.token_program or (SPL_TOKEN if launch.program is Protocol.METEORA_DBC else TOKEN_2022)
        names = (launch.name or "", launch.symbol or "", launch.uri or "")
        supply = launch.total_supply or market.DBC_SUPPLY
        own = names if program == TOKEN_2022 else None
        self._put(
            slot,
            launch.mint,
            Account(program, lambda: token_accounts.mint(launch.mint, supply, launch.base_decimals, own)),
        )
        if own is None:
            metadata = token_accounts.METAPLEX, lambda: token_accounts.metadata(launch.mint, names)
            self._put(slot, token_accounts.metadata_address(launch.mint), Account(*metadata))

    def _put(self, slot: int, address: str, account: Account) -> None:
        versions = self._versions.setdefault(address, [])
        if versions and versions[-1][0] == slot:
            versions.pop()
        versions.append((slot, account))
        del versions[:-_VERSIONS]


def _token_account(balance: TokenBalance) -> Account:
    program = SPL_TOKEN if balance.mint == WSOL else TOKEN_2022
    return Account(program, lambda: token_accounts.holding(balance.mint, balance.owner or NATIVE_SOL, balance.amount))


def _named_accounts(transaction: Transaction) -> Iterator[tuple[str, str]]:
    """Addresses by the names of the IDLs, of instructions that create pools."""
    for each in transaction.instructions:
        for idl in (PUMP_AMM, DBC):
            layout = idl.instructions.get(each.data[:8]) if each.program == idl.program else None
            if layout is not None and ("create_pool" in layout.name or "initialize_virtual_pool" in layout.name):
                yield from layout.name_accounts(each.accounts).items()


def _changes(event: Event, named: dict[str, str]) -> Iterator[tuple[str, str, Fields]]:
    """What an event changes: (address, kind, fields)."""
    match event:
        case Launch(program=Protocol.METEORA_DBC):
            yield event.bonding_curve, "dbc pool", _dbc_launch(event, named)
            if event.config is not None:
                yield event.config, "dbc config", _dbc_config(event)
        case Launch():
            yield (
                event.bonding_curve,
                "curve",
                _curve(event)
                | {
                    "token_total_supply": event.total_supply,
                    "quote_mint": NATIVE_SOL if event.quote_mint == WSOL else event.quote_mint,
                },
            )
        case Trade(program=Protocol.METEORA_DBC):
            reserves = {"base_reserve": event.real_base_reserves, "quote_reserve": event.real_quote_reserves}
            named_by_trade = {"base_mint": event.mint, "config": event.config}
            yield event.venue, "dbc pool", reserves | named_by_trade | {"sqrt_price": event.sqrt_price, "has_swap": 1}
        case Trade(venue_kind=TradeProgram.BONDING_CURVE):
            yield event.venue, "curve", _curve(event)
        case Completion(program=Protocol.METEORA_DBC):
            yield event.bonding_curve, "dbc pool", {"finish_curve_timestamp": event.block_time, "migration_progress": 2}
        case Completion():
            yield event.bonding_curve, "curve", {"complete": True}
        case Migration(program=Protocol.METEORA_DBC):
            yield event.bonding_curve, "dbc pool", {"is_migrated": 1, "migration_progress": 3}
        case Migration():
            yield event.bonding_curve, "curve", {"complete": True, "real_token_reserves": 0, "real_quote_reserves": 0}
        case PoolCreation(program=Protocol.PUMP_SWAP):
            yield event.pool, "pool", _pool(event, named)


def _curve(event: Launch | Trade) -> Fields:
    return {
        "virtual_token_reserves": event.virtual_base_reserves,
        "virtual_quote_reserves": event.virtual_quote_reserves,
        "real_token_reserves": event.real_base_reserves,
        "real_quote_reserves": event.real_quote_reserves,
        "creator": event.creator,
    }


def _pool(event: PoolCreation, named: dict[str, str]) -> Fields:
    base, quote = (event.quote_mint, event.mint) if event.is_inverted else (event.mint, event.quote_mint)
    return {
        "creator": event.creator,
        "base_mint": base,
        "quote_mint": quote,
        "lp_mint": event.lp_mint,
        "pool_base_token_account": named.get("pool_base_token_account"),
        "pool_quote_token_account": named.get("pool_quote_token_account"),
        "coin_creator": event.coin_creator,
    }


def _dbc_launch(event: Launch, named: dict[str, str]) -> Fields:
    return {
        "config": event.config,
        "creator": event.creator,
        "base_mint": event.mint,
        "base_vault": named.get("base_vault"),
        "quote_vault": named.get("quote_vault"),
        "base_reserve": market.DBC_CURVE_BASE,
        "sqrt_price": market.DBC_SQRT_START,
    }


def _dbc_config(event: Launch) -> Fields:
    """Of the simulated launchpad: one price range, one fee."""
    blank = _BLANKS["dbc config"]
    numerator = market.DBC_FEE_BPS * _FEE_DENOMINATOR // 10_000
    base_fee = {**blank["pool_fees"]["base_fee"], "cliff_fee_numerator": numerator}
    curve = [{"sqrt_price": market.DBC_SQRT_END, "liquidity": market.DBC_LIQUIDITY}, *blank["curve"][1:]]
    return {
        "quote_mint": event.quote_mint,
        "pool_fees": {**blank["pool_fees"], "base_fee": base_fee},
        "token_decimal": event.base_decimals,
        "migration_option": 1,
        "migration_quote_threshold": market.DBC_THRESHOLD,
        "migration_sqrt_price": market.DBC_SQRT_END,
        "swap_base_amount": market.DBC_CURVE_BASE,
        "sqrt_start_price": market.DBC_SQRT_START,
        "curve": curve,
    }
