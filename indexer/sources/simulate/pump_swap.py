"""PumpSwap's side of the simulated market: pools of graduated tokens and their trades in the wire format.

Layouts: IDL `pump_amm` 0.1.0 (pump-sdk 2.0.0). Trades are packed by structs in which
all that never changes, or only with the pool, is one piece; a test holds the bytes against the IDL's layout.
Event reserves are those before the trade, as on chain.
"""

import struct
from math import isqrt
from typing import Final

from app.domain.arithmetic import fee_of
from app.domain.events import TokenBalance
from app.domain.programs import PUMP_FEES, PUMP_FUN, PUMP_SWAP, SPL_TOKEN, TOKEN_2022, WSOL
from indexer.layouts.pump_amm import PUMP_AMM
from indexer.sources.simulate.addresses import Seeded, Trader, derived, of_text
from indexer.sources.simulate.market import PUMP_POOL_BASE, PUMP_SUPPLY, Swap
from indexer.sources.simulate.pump_fun import DECIMALS, PumpAccounts
from indexer.sources.simulate.transactions import (
    ASSOCIATED_TOKEN_PROGRAM,
    COMPUTE_BUDGET,
    EVENT_TAG,
    FIRST,
    SYSTEM_PROGRAM,
    Stamp,
    event_call,
    land,
)
from indexer.transaction import Instruction, Transaction

_PROGRAM: Final = of_text(PUMP_SWAP)
_PUMP: Final = of_text(PUMP_FUN)
_QUOTE: Final = of_text(WSOL)
_EVENT_AUTHORITY: Final = derived(_PROGRAM, b"__event_authority")
_CONFIG: Final = derived(_PROGRAM, b"global_config")
_EVENT_ACCOUNTS: Final = (_EVENT_AUTHORITY.text,)
_FEE_RECIPIENT: Final = of_text("9rPYyANsfQZw3DnDmKE3YCQF5E8oD89UXoHn9JFEhJUz")
_FEE_CONFIG: Final = derived(of_text(PUMP_FEES), b"fee_config", _PROGRAM.raw)
_VOLUME: Final = derived(_PROGRAM, b"global_volume_accumulator")
_BUYBACK_BPS: Final = 5_000
_MINIMUM_LIQUIDITY: Final = 100
_BUY: Final = PUMP_AMM.instruction("buy")
_SELL: Final = PUMP_AMM.instruction("sell")
_USER: Final = ("user", "user_base_token_account", "user_quote_token_account", "user_volume_accumulator")
_BUY_USER: Final = tuple(_BUY.accounts.index(name) for name in _USER)
_SELL_USER: Final = tuple(_SELL.accounts.index(name) for name in _USER[:3])
_BUY_HEAD: Final = EVENT_TAG + PUMP_AMM.event("BuyEvent").discriminator
_SELL_HEAD: Final = EVENT_TAG + PUMP_AMM.event("SellEvent").discriminator
_EVENT: Final = "<16sq13Q32s96s96sQQ"
"""Tag, discriminator, time; amounts and fees; pool; trader's accounts; fee accounts and creator; creator's fee."""
_SUPPLY: Final = struct.pack("<17xQ16x", PUMP_SUPPLY)
"""Boost and holder rewards (none) around the supply: how both events end."""
_NAME: Final = struct.pack("<I3s16xQ", 3, b"buy", _BUYBACK_BPS)
"""Instruction name, cashback (none), buyback's share."""
_BUY_EVENT: Final = struct.Struct(f"{_EVENT}33xQ{len(_NAME)}sQ{len(_SUPPLY)}s")
_SELL_EVENT: Final = struct.Struct(f"{_EVENT}16xQQ{len(_SUPPLY)}s")
_BUY_DATA: Final = struct.Struct("<8sQQx")
"""Volume is not tracked."""
_SELL_DATA: Final = struct.Struct("<8sQQ")


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
        self.event_tail = _FEE_RECIPIENT.raw + self.fee_account.raw + token.creator.raw
        self.buy = [fixed.get(name, "") for name in _BUY.accounts]
        self.sell = [fixed.get(name, "") for name in _SELL.accounts]
        # Accounts of the whole transaction behind the trader's own three.
        self.all_buy = (*dict.fromkeys(filter(None, self.buy)), COMPUTE_BUDGET)
        self.all_sell = (*dict.fromkeys(filter(None, self.sell)), COMPUTE_BUDGET)


class PumpSwap:
    """Writes PumpSwap transactions of one market."""

    def __init__(self, seeded: Seeded) -> None:
        self._seeded = seeded

    def create_pool(self, stamp: Stamp, accounts: PoolAccounts, quote: int) -> tuple[Instruction, Instruction]:
        """`create_pool` and its event as the migration calls it: canonical pool, index 0."""
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
        sent = event_call(PUMP_SWAP, _EVENT_AUTHORITY.text, event, height=3)
        return Instruction(PUMP_SWAP, used, data, FIRST, 2), sent

    def trade(self, stamp: Stamp, swap: Swap, accounts: PoolAccounts) -> Transaction:
        """`buy` or `sell` on a canonical pool."""
        trader = accounts.token.traders[swap.wallet]
        wallet, held, paid = trader.wallet, trader.held, trader.paid
        if swap.is_buy:
            used, fixed = accounts.buy.copy(), accounts.all_buy
            user, base, quote, volume = _BUY_USER
            used[volume] = wallet
            data = _BUY_DATA.pack(_BUY.discriminator, swap.base, swap.quote + swap.quote // 20)
            event = _bought(stamp, swap, accounts, trader)
        else:
            used, fixed = accounts.sell.copy(), accounts.all_sell
            user, base, quote = _SELL_USER
            data = _SELL_DATA.pack(_SELL.discriminator, swap.base, swap.quote - swap.quote // 20)
            event = _sold(stamp, swap, accounts, trader)
        used[user], used[base], used[quote] = wallet, held, paid
        token, pool, mint = swap.token, accounts.pool.text, accounts.token.mint.text
        return land(
            stamp,
            (wallet, held, paid, *fixed),
            (
                Instruction(PUMP_SWAP, tuple(used), data, FIRST, 1),
                Instruction(PUMP_SWAP, _EVENT_ACCOUNTS, event, FIRST, 2),
            ),
            (
                TokenBalance(held, mint, wallet, swap.balance, DECIMALS),
                TokenBalance(accounts.base_vault.text, mint, pool, token.real_base, DECIMALS),
                TokenBalance(accounts.quote_vault.text, WSOL, pool, token.real_quote, 9),
            ),
        )


def _bought(stamp: Stamp, swap: Swap, accounts: PoolAccounts, trader: Trader) -> bytes:
    """BuyEvent of the newest published layout."""
    base, quote = swap.base, swap.quote
    lp_bps, protocol_bps, creator_bps = swap.fees
    lp, protocol, creator = fee_of(quote, lp_bps), fee_of(quote, protocol_bps), fee_of(quote, creator_bps)
    spent = quote + lp + protocol + creator
    return _BUY_EVENT.pack(
        _BUY_HEAD,
        stamp.time,
        base,
        spent + spent // 20,
        swap.balance - base,
        2 * spent,
        *swap.before,
        quote,
        lp_bps,
        lp,
        protocol_bps,
        protocol,
        quote + lp,
        spent,
        accounts.pool.raw,
        trader.raw,
        accounts.event_tail,
        creator_bps,
        creator,
        base,
        _NAME,
        protocol * _BUYBACK_BPS // 10_000,
        _SUPPLY,
    )


def _sold(stamp: Stamp, swap: Swap, accounts: PoolAccounts, trader: Trader) -> bytes:
    """SellEvent of the newest published layout."""
    base, quote = swap.base, swap.quote
    lp_bps, protocol_bps, creator_bps = swap.fees
    lp, protocol, creator = fee_of(quote, lp_bps), fee_of(quote, protocol_bps), fee_of(quote, creator_bps)
    return _SELL_EVENT.pack(
        _SELL_HEAD,
        stamp.time,
        base,
        quote - quote // 20,
        swap.balance + base,
        0,
        *swap.before,
        quote,
        lp_bps,
        lp,
        protocol_bps,
        protocol,
        quote - lp,
        quote - lp - protocol - creator,
        accounts.pool.raw,
        trader.raw,
        accounts.event_tail,
        creator_bps,
        creator,
        _BUYBACK_BPS,
        protocol * _BUYBACK_BPS // 10_000,
        _SUPPLY,
    )
