"""Meteora DBC's side of the simulated market: pools, swaps, completion and migration in the wire format.

Layouts: IDL `dynamic_bonding_curve` 0.2.1 (dynamic-bonding-curve-sdk 1.5.12). Events go out as self-CPI only.
"""

import struct
from typing import Final

from app.domain.arithmetic import fee_of
from app.domain.events import TokenBalance
from app.domain.programs import METEORA_DAMM_V2, METEORA_DBC, METEORA_DBC_AUTHORITY, SPL_TOKEN, WSOL
from indexer.layouts.dynamic_bonding_curve import DBC
from indexer.sources.simulate.addresses import Seeded, derived, of_text
from indexer.sources.simulate.market import DBC_CURVE_BASE, DBC_FEE_BPS, DBC_SUPPLY, DBC_THRESHOLD, Swap, Token
from indexer.sources.simulate.names import name_of
from indexer.sources.simulate.transactions import (
    SYSTEM_PROGRAM,
    Call,
    Stamp,
    assemble,
    event_call,
    token_transfer,
)
from indexer.transaction import Transaction

DECIMALS: Final = 6
CONFIGS: Final = 3
"""Launchpad surfaces; a config belongs to many tokens."""
_PROGRAM: Final = of_text(METEORA_DBC)
_QUOTE: Final = of_text(WSOL)
_EVENT_AUTHORITY: Final = derived(_PROGRAM, b"__event_authority")
_SWAP_EVENT: Final = DBC.event("EvtSwap")
_SWAP2_EVENT: Final = DBC.event("EvtSwap2")
_SWAP: Final = DBC.instruction("swap2")
_EVENT: Final = struct.Struct("<8s32s32sB?QQQQ16sQQQQQ")
_EVENT2: Final = struct.Struct("<8s32s32sB?QQBQQQQ16sQQQQQQ")
_SWAP_DATA: Final = struct.Struct("<8sQQB")
_USER: Final = tuple(_SWAP.accounts.index(n) for n in ("input_token_account", "output_token_account", "payer"))


class DbcAccounts:
    """Accounts of one DBC token, derived once."""

    def __init__(self, token: Token, seeded: Seeded) -> None:
        self.mint = seeded.address(b"dbc mint", token.number)
        self.creator = seeded.wallet(token.creator)
        self.config = seeded.address(b"dbc config", token.number % CONFIGS)
        first, second = sorted((self.mint.raw, _QUOTE.raw), reverse=True)
        self.pool = derived(_PROGRAM, b"pool", self.config.raw, first, second)
        self.base_vault = derived(_PROGRAM, b"token_vault", self.mint.raw, self.pool.raw)
        self.quote_vault = derived(_PROGRAM, b"token_vault", _QUOTE.raw, self.pool.raw)
        self.name, self.symbol, self.uri = name_of(token.number, self.mint.text)
        self.known = {
            "pool_authority": METEORA_DBC_AUTHORITY,
            "config": self.config.text,
            "pool": self.pool.text,
            "creator": self.creator.text,
            "payer": self.creator.text,
            "base_vault": self.base_vault.text,
            "quote_vault": self.quote_vault.text,
            "base_mint": self.mint.text,
            "quote_mint": WSOL,
            "token_base_program": SPL_TOKEN,
            "token_quote_program": SPL_TOKEN,
            "token_program": SPL_TOKEN,
            "referral_token_account": METEORA_DBC,
            "event_authority": _EVENT_AUTHORITY.text,
            "program": METEORA_DBC,
        }
        self.swap = [self.known.get(name, "") for name in _SWAP.accounts]


class MeteoraDbc:
    """Writes DBC transactions of one market."""

    def __init__(self, seeded: Seeded) -> None:
        self._seeded = seeded

    def launch(self, stamp: Stamp, accounts: DbcAccounts) -> Transaction:
        """`initialize_virtual_pool_with_spl_token`: name and URI are in its arguments only."""
        event = DBC.event("EvtInitializePool").encode(
            {
                "pool": accounts.pool.text,
                "config": accounts.config.text,
                "creator": accounts.creator.text,
                "base_mint": accounts.mint.text,
                "pool_type": 0,
                "activation_point": stamp.time,
            }
        )
        layout = DBC.instruction("initialize_virtual_pool_with_spl_token")
        data = layout.encode({"params": {"name": accounts.name, "symbol": accounts.symbol, "uri": accounts.uri}})
        used = tuple(accounts.known.get(name, SYSTEM_PROGRAM) for name in layout.accounts)
        mint_to = (
            SPL_TOKEN,
            (accounts.mint.text, accounts.base_vault.text, METEORA_DBC_AUTHORITY),
            struct.pack("<BQ", 7, DBC_SUPPLY),
        )
        call = Call(
            METEORA_DBC,
            used,
            data,
            "InitializeVirtualPoolWithSplToken",
            (mint_to, event_call(METEORA_DBC, _EVENT_AUTHORITY.text, event)),
        )
        vault = self._vault(accounts, DBC_SUPPLY)
        return assemble(stamp, accounts.creator.text, (call,), (vault,), compute_units=150_000)

    def trade(self, stamp: Stamp, swap: Swap, accounts: DbcAccounts, *, failed: bool = False) -> Transaction:
        """`swap2`, exact in, fee on the quote side; with the completion where it fills the curve."""
        user = self._seeded.wallet(swap.wallet)
        held = self._seeded.token_account(user.raw, accounts.mint.raw).text
        paid = self._seeded.token_account(user.raw, _QUOTE.raw).text
        events: tuple[bytes, ...] = swap_events(stamp, swap, accounts)
        if swap.completes:
            events = (*events, self._completion(accounts, swap.token))
        mint = accounts.mint.text
        used = accounts.swap.copy()
        source, target, owner = accounts.base_vault.text, held, METEORA_DBC_AUTHORITY
        places = (paid, held, user.text)
        if not swap.is_buy:
            source, target, owner = held, accounts.base_vault.text, user.text
            places = (held, paid, user.text)
        for at, value in zip(_USER, places, strict=True):
            used[at] = value
        entered = swap.base if not swap.is_buy else gross_quote(swap)
        data = _SWAP_DATA.pack(_SWAP.discriminator, entered, 0, 0)
        transfer = token_transfer(SPL_TOKEN, source, mint, target, owner, swap.base, DECIMALS)
        sent = tuple(event_call(METEORA_DBC, _EVENT_AUTHORITY.text, each) for each in events)
        call = Call(METEORA_DBC, tuple(used), data, "Swap2", (transfer, *sent))
        balances = (
            TokenBalance(held, mint, user.text, swap.balance, DECIMALS),
            self._vault(accounts, swap.token.real_base + DBC_SUPPLY - DBC_CURVE_BASE),
            TokenBalance(accounts.quote_vault.text, WSOL, METEORA_DBC_AUTHORITY, swap.token.real_quote, 9),
        )
        return assemble(stamp, user.text, (call,), balances, failed=failed)

    def migration(self, stamp: Stamp, accounts: DbcAccounts, token: Token) -> Transaction:
        """`migration_damm_v2`: DBC itself emits nothing."""
        layout = DBC.instruction("migration_damm_v2")
        pool = derived(
            of_text(METEORA_DAMM_V2),
            b"pool",
            accounts.config.raw,
            *sorted((accounts.mint.raw, _QUOTE.raw), reverse=True),
        )
        token_vault = derived(of_text(METEORA_DAMM_V2), b"token_vault", accounts.mint.raw, pool.raw).text
        quote_vault = derived(of_text(METEORA_DAMM_V2), b"token_vault", _QUOTE.raw, pool.raw).text
        payer = self._seeded.wallet(0).text
        known = accounts.known | {
            "virtual_pool": accounts.pool.text,
            "pool": pool.text,
            "amm_program": METEORA_DAMM_V2,
            "token_a_vault": token_vault,
            "token_b_vault": quote_vault,
            "payer": payer,
        }
        used = tuple(known.get(name, SYSTEM_PROGRAM) for name in layout.accounts)
        left = DBC_SUPPLY - DBC_CURVE_BASE
        transfers = (
            token_transfer(
                SPL_TOKEN, accounts.base_vault.text, accounts.mint.text, token_vault, METEORA_DBC_AUTHORITY, left, 6
            ),
            token_transfer(
                SPL_TOKEN, accounts.quote_vault.text, WSOL, quote_vault, METEORA_DBC_AUTHORITY, token.real_quote, 9
            ),
        )
        call = Call(METEORA_DBC, used, layout.encode({}), "MigrationDammV2", transfers)
        balances = (
            self._vault(accounts, 0),
            TokenBalance(token_vault, accounts.mint.text, pool.text, left, DECIMALS),
            TokenBalance(quote_vault, WSOL, pool.text, token.real_quote, 9),
        )
        return assemble(stamp, payer, (call,), balances, compute_units=300_000)

    def _completion(self, accounts: DbcAccounts, token: Token) -> bytes:
        return DBC.event("EvtCurveComplete").encode(
            {
                "pool": accounts.pool.text,
                "config": accounts.config.text,
                "base_reserve": token.real_base + DBC_SUPPLY - DBC_CURVE_BASE,
                "quote_reserve": token.real_quote,
            }
        )

    def _vault(self, accounts: DbcAccounts, amount: int) -> TokenBalance:
        return TokenBalance(accounts.base_vault.text, accounts.mint.text, METEORA_DBC_AUTHORITY, amount, DECIMALS)


def gross_quote(swap: Swap) -> int:
    """Quote that a buyer sends so that `swap.quote` is left after the fee, rounded up."""
    return -(-swap.quote * 10_000 // (10_000 - DBC_FEE_BPS))


def swap_events(stamp: Stamp, swap: Swap, accounts: DbcAccounts) -> tuple[bytes, bytes]:
    """EvtSwap and EvtSwap2 of one swap; the protocol takes a fifth of the fee."""
    entered = gross_quote(swap) if swap.is_buy else swap.base
    fee = entered - swap.quote if swap.is_buy else fee_of(swap.quote, DBC_FEE_BPS)
    protocol = fee // 5
    left = swap.base if swap.is_buy else swap.quote - fee
    direction = 1 if swap.is_buy else 0
    price = swap.token.sqrt_price.to_bytes(16, "little")
    net = swap.quote if swap.is_buy else swap.base
    head = (accounts.pool.raw, accounts.config.raw, direction, False)
    first = _EVENT.pack(
        _SWAP_EVENT.discriminator, *head, entered, 0, net, left, price, fee - protocol, protocol, 0, entered, stamp.time
    )
    second = _EVENT2.pack(
        _SWAP2_EVENT.discriminator,
        *head,
        entered,
        0,
        0,
        entered,
        net,
        0,
        left,
        price,
        fee - protocol,
        protocol,
        0,
        swap.token.real_quote,
        DBC_THRESHOLD,
        stamp.time,
    )
    return first, second
