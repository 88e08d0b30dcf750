"""Meteora DBC's side of the simulated market: pools, swaps, completion and migration in the wire format.

Layouts: IDL `dynamic_bonding_curve` 0.2.1 (dynamic-bonding-curve-sdk 1.5.12). Events go out as self-CPI only.
"""

import struct
from typing import Final

from app.domain.arithmetic import fee_of
from app.domain.events import TokenBalance
from app.domain.programs import METEORA_DAMM_V2, METEORA_DBC, METEORA_DBC_AUTHORITY, SPL_TOKEN, WSOL
from indexer.layouts.dynamic_bonding_curve import DBC
from indexer.sources.simulate.addresses import Seeded, Traders, derived, of_text
from indexer.sources.simulate.market import DBC_CURVE_BASE, DBC_FEE_BPS, DBC_SUPPLY, DBC_THRESHOLD, Swap, Token
from indexer.sources.simulate.names import name_of
from indexer.sources.simulate.transactions import (
    COMPUTE_BUDGET,
    EVENT_TAG,
    FIRST,
    SYSTEM_PROGRAM,
    Stamp,
    assemble,
    event_call,
    land,
)
from indexer.transaction import Instruction, Transaction

DECIMALS: Final = 6
CONFIGS: Final = 3
"""Launchpad surfaces; a config belongs to many tokens."""
_PROGRAM: Final = of_text(METEORA_DBC)
_QUOTE: Final = of_text(WSOL)
_EVENT_AUTHORITY: Final = derived(_PROGRAM, b"__event_authority")
_EVENT_ACCOUNTS: Final = (_EVENT_AUTHORITY.text,)
_SWAP: Final = DBC.instruction("swap2")
_EVENT: Final = struct.Struct("<82sQ8xQQ16sQQ8xQQ")
"""Head; amount in; then the result: net input, output, price, fees; amount in again; time."""
_EVENT2: Final = struct.Struct("<82sQ9xQQ8xQ16sQQ8xQQQ")
_SWAP_DATA: Final = struct.Struct("<8sQ9x")
"""No least output, exact in."""
_USER: Final = tuple(_SWAP.accounts.index(n) for n in ("input_token_account", "output_token_account", "payer"))
_BOUGHT, _SOLD = b"\x01\x00", b"\x00\x00"
"""Direction, and no referral."""


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
        # Accounts of the whole transaction behind the trader's own three.
        others = (name for at, name in enumerate(self.swap) if at not in _USER)
        self.all = (*dict.fromkeys(others), COMPUTE_BUDGET)
        self.traders = Traders(seeded, self.mint.raw)
        heads = [
            EVENT_TAG + DBC.event(name).discriminator + self.pool.raw + self.config.raw
            for name in ("EvtSwap", "EvtSwap2")
        ]
        self.bought = [head + _BOUGHT for head in heads]
        self.sold = [head + _SOLD for head in heads]


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
        instructions = (
            Instruction(METEORA_DBC, used, data, FIRST, 1),
            event_call(METEORA_DBC, _EVENT_AUTHORITY.text, event),
        )
        vault = self._vault(accounts, DBC_SUPPLY)
        return assemble(stamp, accounts.creator.text, instructions, (vault,), compute_units=150_000)

    def trade(self, stamp: Stamp, swap: Swap, accounts: DbcAccounts) -> Transaction:
        """`swap2`, exact in, fee on the quote side; with the completion where it fills the curve."""
        trader, token = accounts.traders[swap.wallet], swap.token
        wallet, held, paid = trader.wallet, trader.held, trader.paid
        used = accounts.swap.copy()
        source, target, payer = _USER
        used[source], used[target], used[payer] = (paid, held, wallet) if swap.is_buy else (held, paid, wallet)
        entered = gross_quote(swap.quote) if swap.is_buy else swap.base
        first, second = _swap_events(stamp, swap, accounts, entered)
        instructions: tuple[Instruction, ...] = (
            Instruction(METEORA_DBC, tuple(used), _SWAP_DATA.pack(_SWAP.discriminator, entered), FIRST, 1),
            Instruction(METEORA_DBC, _EVENT_ACCOUNTS, first, FIRST, 2),
            Instruction(METEORA_DBC, _EVENT_ACCOUNTS, second, FIRST, 2),
        )
        if swap.completes:
            completion = self._completion(accounts, token)
            instructions = (*instructions, event_call(METEORA_DBC, _EVENT_AUTHORITY.text, completion))
        balances = (
            TokenBalance(held, accounts.mint.text, wallet, swap.balance, DECIMALS),
            self._vault(accounts, token.real_base + DBC_SUPPLY - DBC_CURVE_BASE),
            TokenBalance(accounts.quote_vault.text, WSOL, METEORA_DBC_AUTHORITY, token.real_quote, 9),
        )
        return land(stamp, (wallet, held, paid, *accounts.all), instructions, balances)

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
        balances = (
            self._vault(accounts, 0),
            TokenBalance(token_vault, accounts.mint.text, pool.text, left, DECIMALS),
            TokenBalance(quote_vault, WSOL, pool.text, token.real_quote, 9),
        )
        call = Instruction(METEORA_DBC, used, layout.encode({}), FIRST, 1)
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


def gross_quote(quote: int) -> int:
    """Quote that a buyer sends so that `quote` is left after the fee, rounded up."""
    return -(-quote * 10_000 // (10_000 - DBC_FEE_BPS))


def _swap_events(stamp: Stamp, swap: Swap, accounts: DbcAccounts, entered: int) -> tuple[bytes, bytes]:
    """EvtSwap and EvtSwap2 of one swap; the protocol takes a fifth of the fee."""
    if swap.is_buy:
        heads, fee = accounts.bought, entered - swap.quote
        net, left = swap.quote, swap.base
    else:
        heads, fee = accounts.sold, fee_of(swap.quote, DBC_FEE_BPS)
        net, left = entered, swap.quote - fee
    protocol = fee // 5
    price = swap.token.sqrt_price.to_bytes(16, "little")
    result = (net, left, price, fee - protocol, protocol)
    first = _EVENT.pack(heads[0], entered, *result, entered, stamp.time)
    second = _EVENT2.pack(heads[1], entered, entered, *result, swap.token.real_quote, DBC_THRESHOLD, stamp.time)
    return first, second
