"""PumpSwap's side of the simulated market: pools of graduated tokens and their trades in the wire format.

Layouts: IDL `pump_amm` 0.1.0 (pump-sdk 2.0.0). Trades are packed by structs that a test holds against the IDL's layout.
Event reserves are those before the trade, as on chain.
"""

import struct
from math import isqrt
from typing import Final

from app.domain.arithmetic import fee_of
from app.domain.events import TokenBalance
from app.domain.programs import PUMP_FEES, PUMP_FUN, PUMP_SWAP, SPL_TOKEN, TOKEN_2022, WSOL
from indexer.layouts.pump_amm import PUMP_AMM
from indexer.sources.simulate.addresses import Address, Seeded, derived, of_text
from indexer.sources.simulate.market import PUMP_POOL_BASE, PUMP_SUPPLY, Swap
from indexer.sources.simulate.pump_fun import DECIMALS, PumpAccounts
from indexer.sources.simulate.transactions import (
    ASSOCIATED_TOKEN_PROGRAM,
    SYSTEM_PROGRAM,
    Call,
    Stamp,
    assemble,
    event_call,
    token_transfer,
)
from indexer.transaction import Transaction

_PROGRAM: Final = of_text(PUMP_SWAP)
_PUMP: Final = of_text(PUMP_FUN)
_QUOTE: Final = of_text(WSOL)
_EVENT_AUTHORITY: Final = derived(_PROGRAM, b"__event_authority")
_CONFIG: Final = derived(_PROGRAM, b"global_config")
_FEE_RECIPIENT: Final = of_text("9rPYyANsfQZw3DnDmKE3YCQF5E8oD89UXoHn9JFEhJUz")
_FEE_CONFIG: Final = derived(of_text(PUMP_FEES), b"fee_config", _PROGRAM.raw)
_VOLUME: Final = derived(_PROGRAM, b"global_volume_accumulator")
_BUYBACK_BPS: Final = 5_000
_MINIMUM_LIQUIDITY: Final = 100
_BUY_EVENT: Final = PUMP_AMM.event("BuyEvent")
_SELL_EVENT: Final = PUMP_AMM.event("SellEvent")
_BUY: Final = PUMP_AMM.instruction("buy")
_SELL: Final = PUMP_AMM.instruction("sell")
_USER: Final = ("user", "user_base_token_account", "user_quote_token_account", "user_volume_accumulator")
_BUY_USER: Final = tuple(_BUY.accounts.index(name) for name in _USER)
_SELL_USER: Final = tuple(_SELL.accounts.index(name) for name in _USER[:3])
_HEAD: Final = "<8sq13Q32s32s32s32s32s32s32sQQ"
_BUY_HEAD: Final = struct.Struct(_HEAD + "?QQQqQI")
_SELL_HEAD: Final = struct.Struct(_HEAD)
_TAIL: Final = struct.Struct("<QQQQ16s?QQQ")
_TWO_AMOUNTS: Final = struct.Struct("<8sQQ")


class PoolAccounts:
    """Accounts of one canonical pool, derived once."""

    def __init__(self, token: PumpAccounts, seeded: Seeded) -> None:
        self.token = token
        self.authority = derived(_PUMP, b"pool-authority", token.mint.raw)
        self.pool = derived(_PROGRAM, b"pool", bytes(2), self.authority.raw, token.mint.raw, _QUOTE.raw)
        self.lp_mint = derived(_PROGRAM, b"pool_lp_mint", self.pool.raw)
        self.base_vault = seeded.token_account(self.pool.raw, token.mint.raw)
        self.quote_vault = seeded.token_account(self.pool.raw, _QUOTE.raw)
        self.fee_account = seeded.token_account(_FEE_RECIPIENT.raw, _QUOTE.raw)
        fixed = {
            "pool": self.pool.text,
            "global_config": _CONFIG.text,
            "base_mint": token.mint.text,
            "quote_mint": WSOL,
            "pool_base_token_account": self.base_vault.text,
            "pool_quote_token_account": self.quote_vault.text,
            "protocol_fee_recipient": _FEE_RECIPIENT.text,
            "protocol_fee_recipient_token_account": self.fee_account.text,
            "base_token_program": TOKEN_2022,
            "quote_token_program": SPL_TOKEN,
            "system_program": SYSTEM_PROGRAM,
            "associated_token_program": ASSOCIATED_TOKEN_PROGRAM,
            "event_authority": _EVENT_AUTHORITY.text,
            "program": PUMP_SWAP,
            "coin_creator_vault_ata": seeded.token_account(token.creator_vault.raw, _QUOTE.raw).text,
            "coin_creator_vault_authority": token.creator_vault.text,
            "global_volume_accumulator": _VOLUME.text,
            "fee_config": _FEE_CONFIG.text,
            "fee_program": PUMP_FEES,
        }
        self.buy = [fixed.get(name, "") for name in _BUY.accounts]
        self.sell = [fixed.get(name, "") for name in _SELL.accounts]


class PumpSwap:
    """Writes PumpSwap transactions of one market."""

    def __init__(self, seeded: Seeded) -> None:
        self._seeded = seeded

    def create_pool(self, stamp: Stamp, accounts: PoolAccounts, quote: int) -> Call:
        """`create_pool` as the migration calls it: canonical pool, index 0."""
        liquidity = isqrt(PUMP_POOL_BASE * quote)
        own_base = self._seeded.token_account(accounts.authority.raw, accounts.token.mint.raw)
        own_quote = self._seeded.token_account(accounts.authority.raw, _QUOTE.raw)
        event = PUMP_AMM.event("CreatePoolEvent").encode(
            {
                "timestamp": stamp.time,
                "index": 0,
                "creator": accounts.authority.text,
                "base_mint": accounts.token.mint.text,
                "quote_mint": WSOL,
                "base_mint_decimals": DECIMALS,
                "quote_mint_decimals": 9,
                "base_amount_in": PUMP_POOL_BASE,
                "quote_amount_in": quote,
                "pool_base_amount": PUMP_POOL_BASE,
                "pool_quote_amount": quote,
                "minimum_liquidity": _MINIMUM_LIQUIDITY,
                "initial_liquidity": liquidity,
                "lp_token_amount_out": liquidity - _MINIMUM_LIQUIDITY,
                "pool_bump": 255,
                "pool": accounts.pool.text,
                "lp_mint": accounts.lp_mint.text,
                "user_base_token_account": own_base.text,
                "user_quote_token_account": own_quote.text,
                "coin_creator": accounts.token.creator.text,
                "is_mayhem_mode": False,
                "creator_fee_bps": 0,
                "can_edit_creator_fee": False,
                "is_holder_reward": False,
            }
        )
        layout = PUMP_AMM.instruction("create_pool")
        known = {
            "pool": accounts.pool.text,
            "global_config": _CONFIG.text,
            "creator": accounts.authority.text,
            "base_mint": accounts.token.mint.text,
            "quote_mint": WSOL,
            "lp_mint": accounts.lp_mint.text,
            "user_base_token_account": own_base.text,
            "user_quote_token_account": own_quote.text,
            "pool_base_token_account": accounts.base_vault.text,
            "pool_quote_token_account": accounts.quote_vault.text,
            "token_2022_program": TOKEN_2022,
            "base_token_program": TOKEN_2022,
            "quote_token_program": SPL_TOKEN,
            "associated_token_program": ASSOCIATED_TOKEN_PROGRAM,
            "event_authority": _EVENT_AUTHORITY.text,
            "program": PUMP_SWAP,
        }
        data = layout.encode(
            {
                "index": 0,
                "base_amount_in": PUMP_POOL_BASE,
                "quote_amount_in": quote,
                "coin_creator": accounts.token.creator.text,
                "is_mayhem_mode": False,
                "is_cashback_coin": {"0": False},
                "creator_fee_bps": {"0": 0},
                "can_edit_creator_fee": {"0": False},
                "is_holder_reward": {"0": False},
            }
        )
        used = tuple(known.get(name, SYSTEM_PROGRAM) for name in layout.accounts)
        sent = event_call(PUMP_SWAP, _EVENT_AUTHORITY.text, event)
        return Call(PUMP_SWAP, used, data, "CreatePool", (sent,), (event,))

    def trade(self, stamp: Stamp, swap: Swap, accounts: PoolAccounts, *, failed: bool = False) -> Transaction:
        """`buy` or `sell` on a canonical pool."""
        user = self._seeded.wallet(swap.wallet)
        held = self._seeded.token_account(user.raw, accounts.token.mint.raw)
        paid = self._seeded.token_account(user.raw, _QUOTE.raw)
        event = (buy_event if swap.is_buy else sell_event)(stamp, swap, accounts, user, held, paid)
        mint = accounts.token.mint.text
        if swap.is_buy:
            used, places = accounts.buy.copy(), _BUY_USER
            data = _TWO_AMOUNTS.pack(_BUY.discriminator, swap.base, swap.quote + swap.quote // 20) + b"\x00"
            source, target, owner = accounts.base_vault.text, held.text, accounts.pool.text
        else:
            used, places = accounts.sell.copy(), _SELL_USER
            data = _TWO_AMOUNTS.pack(_SELL.discriminator, swap.base, swap.quote - swap.quote // 20)
            source, target, owner = held.text, accounts.base_vault.text, user.text
        for at, value in zip(places, (user.text, held.text, paid.text, user.text), strict=False):
            used[at] = value
        transfer = token_transfer(TOKEN_2022, source, mint, target, owner, swap.base, DECIMALS)
        sent = event_call(PUMP_SWAP, _EVENT_AUTHORITY.text, event)
        name = "Buy" if swap.is_buy else "Sell"
        call = Call(PUMP_SWAP, tuple(used), data, name, (transfer, sent), (event,))
        balances = (
            TokenBalance(held.text, mint, user.text, swap.balance, DECIMALS),
            TokenBalance(accounts.base_vault.text, mint, accounts.pool.text, swap.token.real_base, DECIMALS),
            TokenBalance(accounts.quote_vault.text, WSOL, accounts.pool.text, swap.token.real_quote, 9),
        )
        return assemble(stamp, user.text, (call,), balances, failed=failed)


def _addresses(accounts: PoolAccounts, user: Address, held: Address, paid: Address) -> tuple[bytes, ...]:
    return (
        accounts.pool.raw,
        user.raw,
        held.raw,
        paid.raw,
        _FEE_RECIPIENT.raw,
        accounts.fee_account.raw,
        accounts.token.creator.raw,
    )


def _tail(protocol_fee: int) -> bytes:
    """Cashback, buyback, boost (none), supply and holder rewards."""
    buyback = protocol_fee * _BUYBACK_BPS // 10_000
    return _TAIL.pack(0, 0, _BUYBACK_BPS, buyback, bytes(16), False, PUMP_SUPPLY, 0, 0)


def buy_event(stamp: Stamp, swap: Swap, accounts: PoolAccounts, user: Address, held: Address, paid: Address) -> bytes:
    """BuyEvent of the newest published layout."""
    lp, protocol, creator = (fee_of(swap.quote, bps) for bps in swap.fees)
    base_before, quote_before = swap.before
    spent = swap.quote + lp + protocol + creator
    return (
        _BUY_HEAD.pack(
            _BUY_EVENT.discriminator,
            stamp.time,
            swap.base,
            spent + spent // 20,
            swap.balance - swap.base,
            2 * spent,
            base_before,
            quote_before,
            swap.quote,
            swap.fees[0],
            lp,
            swap.fees[1],
            protocol,
            swap.quote + lp,
            spent,
            *_addresses(accounts, user, held, paid),
            swap.fees[2],
            creator,
            False,
            0,
            0,
            0,
            0,
            swap.base,
            3,
        )
        + b"buy"
        + _tail(protocol)
    )


def sell_event(stamp: Stamp, swap: Swap, accounts: PoolAccounts, user: Address, held: Address, paid: Address) -> bytes:
    """SellEvent of the newest published layout."""
    lp, protocol, creator = (fee_of(swap.quote, bps) for bps in swap.fees)
    base_before, quote_before = swap.before
    return _SELL_HEAD.pack(
        _SELL_EVENT.discriminator,
        stamp.time,
        swap.base,
        swap.quote - swap.quote // 20,
        swap.balance + swap.base,
        0,
        base_before,
        quote_before,
        swap.quote,
        swap.fees[0],
        lp,
        swap.fees[1],
        protocol,
        swap.quote - lp,
        swap.quote - lp - protocol - creator,
        *_addresses(accounts, user, held, paid),
        swap.fees[2],
        creator,
    ) + _tail(protocol)
