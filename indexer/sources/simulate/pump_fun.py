"""pump.fun's side of the simulated market: launches, curve trades, completions and migrations in the wire format.

Layouts: IDL `pump` 0.1.0 (pump-sdk 2.0.0). Trades, the hot part, are packed by one struct for each instruction, where
all that never changes, or only with the token, is one piece; a test holds the bytes against the layout of the IDL.
"""

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from app.domain.arithmetic import fee_of
from app.domain.events import TokenBalance
from app.domain.programs import NATIVE_SOL, PUMP_FEES, PUMP_FUN, PUMP_MAYHEM, PUMP_SWAP, TOKEN_2022, WSOL
from indexer.layouts.pump import PUMP
from indexer.sources.simulate.addresses import Seeded, Trader, Traders, derived, of_text
from indexer.sources.simulate.market import (
    CURVE_FEES,
    PUMP_MIGRATION_FEE,
    PUMP_POOL_BASE,
    PUMP_REAL_BASE,
    PUMP_SUPPLY,
    PUMP_VIRTUAL_BASE,
    PUMP_VIRTUAL_QUOTE,
    Swap,
    Token,
)
from indexer.sources.simulate.names import name_of
from indexer.sources.simulate.transactions import (
    ASSOCIATED_TOKEN_PROGRAM,
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
_PROGRAM: Final = of_text(PUMP_FUN)
_GLOBAL: Final = derived(_PROGRAM, b"global")
EVENT_AUTHORITY: Final = derived(_PROGRAM, b"__event_authority")
_EVENT_ACCOUNTS: Final = (EVENT_AUTHORITY.text,)
_FEE_RECIPIENT: Final = of_text("G5UZAVbAf46s7cKWoyKu8kYTip9DGTpbLZ2qa9Aq69dP")
_FEE_CONFIG: Final = derived(of_text(PUMP_FEES), b"fee_config", _PROGRAM.raw)
_MINT_AUTHORITY: Final = derived(_PROGRAM, b"mint-authority")
_VOLUME: Final = derived(_PROGRAM, b"global_volume_accumulator")
_BUYBACK_BPS: Final = 5_000
_TRADE: Final = PUMP.event("TradeEvent")
_BUY_DATA: Final = struct.Struct("<8sQQx")
"""Volume is not tracked."""
_SELL_DATA: Final = struct.Struct("<8sQQ")


class _Form(NamedTuple):
    """One of the trade instructions: what begins its data, and how its event is packed."""

    discriminator: bytes
    event: struct.Struct
    middle: bytes
    """Of the event, between creator fee and buyback fee: volumes (none), instruction name, cashback (none)."""


def _form(name: str) -> _Form:
    """TradeEvent of the newest published layout: 374 bytes and the length of the instruction's name."""
    encoded = name.encode()
    middle = struct.pack(f"<33xI{len(encoded)}s17xQ", len(encoded), encoded, _BUYBACK_BPS)
    event = struct.Struct(f"<48sQQ?32sqQQQQ40sQ40sQ{len(middle)}sQ36xQQQ16x")
    return _Form(PUMP.instruction(name).discriminator, event, middle)


_BUY: Final = _form("buy")
_BUY_EXACT: Final = _form("buy_exact_sol_in")
_SELL: Final = _form("sell")


class PumpAccounts:
    """Accounts of one pump token, derived once."""

    def __init__(self, token: Token, seeded: Seeded) -> None:
        self.mint = seeded.address(b"pump mint", token.number)
        self.creator = seeded.wallet(token.creator)
        self.curve = derived(_PROGRAM, b"bonding-curve", self.mint.raw)
        self.vault = seeded.token_account(self.curve.raw, self.mint.raw)
        self.creator_vault = derived(_PROGRAM, b"creator-vault", self.creator.raw)
        self.name, self.symbol, self.uri = name_of(token.number, self.mint.text)
        fixed = {
            "global": _GLOBAL.text,
            "fee_recipient": _FEE_RECIPIENT.text,
            "mint": self.mint.text,
            "bonding_curve": self.curve.text,
            "associated_bonding_curve": self.vault.text,
            "system_program": SYSTEM_PROGRAM,
            "token_program": TOKEN_2022,
            "creator_vault": self.creator_vault.text,
            "event_authority": EVENT_AUTHORITY.text,
            "program": PUMP_FUN,
            "global_volume_accumulator": _VOLUME.text,
            "fee_config": _FEE_CONFIG.text,
            "fee_program": PUMP_FEES,
        }
        self.traders = Traders(seeded, self.mint.raw)
        self.event_head = EVENT_TAG + _TRADE.discriminator + self.mint.raw
        self.event_protocol = _FEE_RECIPIENT.raw + CURVE_FEES[1].to_bytes(8, "little")
        self.event_creator = self.creator.raw + CURVE_FEES[2].to_bytes(8, "little")
        # What stands before, between and after the trader's own accounts.
        layout = PUMP.instruction("buy").accounts
        buy = tuple(fixed.get(name, "") for name in layout)
        at, volume = layout.index("associated_user"), layout.index("user_volume_accumulator")
        self.buy = buy[:at], buy[at + 2 : volume], buy[volume + 1 :]
        layout = PUMP.instruction("sell").accounts
        sell = tuple(fixed.get(name, "") for name in layout)
        at = layout.index("associated_user")
        self.sell = sell[:at], sell[at + 2 :]
        # Accounts of the whole transaction behind the trader's own two.
        self.all_buy = (*dict.fromkeys(name for part in self.buy for name in part), COMPUTE_BUDGET)
        self.all_sell = (*dict.fromkeys(name for part in self.sell for name in part), COMPUTE_BUDGET)


class PumpFun:
    """Writes pump.fun transactions of one market."""

    def __init__(self, seeded: Seeded) -> None:
        self._seeded = seeded

    def launch(self, stamp: Stamp, token: Token, accounts: PumpAccounts, first: Swap | None) -> Transaction:
        """`create_v2`, and the creator's own first buy in the same transaction."""
        creator = accounts.creator.text
        event = PUMP.event("CreateEvent").encode(
            {
                "name": accounts.name,
                "symbol": accounts.symbol,
                "uri": accounts.uri,
                "mint": accounts.mint.text,
                "bonding_curve": accounts.curve.text,
                "user": creator,
                "creator": creator,
                "timestamp": stamp.time,
                "virtual_token_reserves": PUMP_VIRTUAL_BASE,
                "virtual_sol_reserves": PUMP_VIRTUAL_QUOTE,
                "real_token_reserves": PUMP_REAL_BASE,
                "token_total_supply": PUMP_SUPPLY,
                "token_program": TOKEN_2022,
                "is_mayhem_mode": False,
                "is_cashback_enabled": False,
                "quote_mint": NATIVE_SOL,
                "virtual_quote_reserves": PUMP_VIRTUAL_QUOTE,
                "creator_fee_bps": 0,
                "is_holder_reward": False,
            }
        )
        layout = PUMP.instruction("create_v2")
        data = layout.encode(
            {
                "name": accounts.name,
                "symbol": accounts.symbol,
                "uri": accounts.uri,
                "creator": creator,
                "is_mayhem_mode": False,
                "is_cashback_enabled": {"0": False},
                "creator_fee_bps": {"0": 0},
                "is_holder_reward": {"0": False},
            }
        )
        known = {
            "mint": accounts.mint.text,
            "mint_authority": _MINT_AUTHORITY.text,
            "bonding_curve": accounts.curve.text,
            "associated_bonding_curve": accounts.vault.text,
            "global": _GLOBAL.text,
            "user": creator,
            "token_program": TOKEN_2022,
            "associated_token_program": ASSOCIATED_TOKEN_PROGRAM,
            "mayhem_program_id": PUMP_MAYHEM,
            "event_authority": EVENT_AUTHORITY.text,
            "program": PUMP_FUN,
        }
        used = tuple(known.get(name, SYSTEM_PROGRAM) for name in layout.accounts)
        create = (
            Instruction(PUMP_FUN, used, data, FIRST, 1),
            event_call(PUMP_FUN, EVENT_AUTHORITY.text, event),
        )
        vault = self._vault(accounts, token)
        if first is None:
            return assemble(stamp, creator, create, (vault,), compute_units=110_000)
        trader = accounts.traders[first.wallet]
        bought = self._swap(stamp, first, accounts, trader, _BUY, FIRST + 1)
        held = TokenBalance(trader.held, accounts.mint.text, creator, first.balance, DECIMALS)
        return assemble(stamp, creator, (*create, *bought), (held, vault), compute_units=210_000)

    def trade(self, stamp: Stamp, swap: Swap, accounts: PumpAccounts) -> Transaction:
        """A curve trade, with the completion where it fills the curve."""
        trader = accounts.traders[swap.wallet]
        wallet = trader.wallet
        if swap.is_buy:
            form, fixed = _BUY if stamp.index % 2 else _BUY_EXACT, accounts.all_buy
        else:
            form, fixed = _SELL, accounts.all_sell
        return land(
            stamp,
            (wallet, trader.held, *fixed),
            self._swap(stamp, swap, accounts, trader, form, FIRST),
            (
                TokenBalance(trader.held, accounts.mint.text, wallet, swap.balance, DECIMALS),
                self._vault(accounts, swap.token),
            ),
        )

    def migration(
        self,
        stamp: Stamp,
        accounts: PumpAccounts,
        pool: str,
        pool_vault: str,
        quote: int,
        created: Sequence[Instruction],
    ) -> Transaction:
        """`migrate_v2` with PumpSwap's `create_pool` inside."""
        payer = self._seeded.wallet(0)
        event = PUMP.event("CompletePumpAmmMigrationEvent").encode(
            {
                "user": payer.text,
                "mint": accounts.mint.text,
                "mint_amount": PUMP_POOL_BASE,
                "sol_amount": quote,
                "pool_migration_fee": PUMP_MIGRATION_FEE,
                "bonding_curve": accounts.curve.text,
                "timestamp": stamp.time,
                "pool": pool,
                "quote_mint": NATIVE_SOL,
            }
        )
        layout = PUMP.instruction("migrate_v2")
        known = {
            "global": _GLOBAL.text,
            "base_mint": accounts.mint.text,
            "quote_mint": WSOL,
            "bonding_curve": accounts.curve.text,
            "associated_base_bonding_curve": accounts.vault.text,
            "user": payer.text,
            "pump_amm": PUMP_SWAP,
            "pool": pool,
            "base_token_program": TOKEN_2022,
            "token_2022_program": TOKEN_2022,
            "associated_token_program": ASSOCIATED_TOKEN_PROGRAM,
            "event_authority": EVENT_AUTHORITY.text,
            "program": PUMP_FUN,
        }
        used = tuple(known.get(name, SYSTEM_PROGRAM) for name in layout.accounts)
        instructions = (
            Instruction(PUMP_FUN, used, layout.encode({}), FIRST, 1),
            *created,
            event_call(PUMP_FUN, EVENT_AUTHORITY.text, event),
        )
        vault = TokenBalance(accounts.vault.text, accounts.mint.text, accounts.curve.text, 0, DECIMALS)
        held = TokenBalance(pool_vault, accounts.mint.text, pool, PUMP_POOL_BASE, DECIMALS)
        return assemble(stamp, payer.text, instructions, (vault, held), compute_units=480_000)

    def _swap(
        self, stamp: Stamp, swap: Swap, accounts: PumpAccounts, trader: Trader, form: _Form, outer: int
    ) -> tuple[Instruction, ...]:
        """The instruction with the events that it emits."""
        base, quote = swap.base, swap.quote
        fee, creator_fee = fee_of(quote, CURVE_FEES[1]), fee_of(quote, CURVE_FEES[2])
        if swap.is_buy:
            before, between, after = accounts.buy
            used = (*before, trader.held, trader.wallet, *between, trader.wallet, *after)
            spend = quote + fee + creator_fee
            amounts = (spend, base) if form is _BUY_EXACT else (base, spend + spend // 20)
            data = _BUY_DATA.pack(form.discriminator, *amounts)
        else:
            before, after = accounts.sell
            used = (*before, trader.held, trader.wallet, *after)
            data = _SELL_DATA.pack(form.discriminator, base, quote - quote // 20)
        token = swap.token
        event = form.event.pack(
            accounts.event_head,
            quote,
            base,
            swap.is_buy,
            trader.raw,  # cut to its first 32 bytes: the wallet
            stamp.time,
            token.virtual_quote,
            token.virtual_base,
            token.real_quote,
            token.real_base,
            accounts.event_protocol,
            fee,
            accounts.event_creator,
            creator_fee,
            form.middle,
            fee * _BUYBACK_BPS // 10_000,
            quote,
            token.virtual_quote,
            token.real_quote,
        )
        call = Instruction(PUMP_FUN, used, data, outer, 1)
        sent = Instruction(PUMP_FUN, _EVENT_ACCOUNTS, event, outer, 2)
        if not swap.completes:
            return call, sent
        completion = event_call(PUMP_FUN, EVENT_AUTHORITY.text, _completion(stamp, accounts, trader), outer)
        return call, sent, completion

    def _vault(self, accounts: PumpAccounts, token: Token) -> TokenBalance:
        amount = token.real_base + PUMP_POOL_BASE
        return TokenBalance(accounts.vault.text, accounts.mint.text, accounts.curve.text, amount, DECIMALS)


def _completion(stamp: Stamp, accounts: PumpAccounts, trader: Trader) -> bytes:
    return PUMP.event("CompleteEvent").encode(
        {
            "user": trader.wallet,
            "mint": accounts.mint.text,
            "bonding_curve": accounts.curve.text,
            "timestamp": stamp.time,
            "quote_mint": NATIVE_SOL,
        }
    )
