"""pump.fun's side of the simulated market: launches, curve trades, completions and migrations in the wire format.

Layouts: IDL `pump` 0.1.0 (pump-sdk 2.0.0). Trades, the hot part, are packed by one struct that a test holds against the
layout of the IDL.
"""

import struct
from typing import Final

from app.domain.arithmetic import fee_of
from app.domain.events import TokenBalance
from app.domain.programs import NATIVE_SOL, PUMP_FEES, PUMP_FUN, PUMP_MAYHEM, PUMP_SWAP, TOKEN_2022, WSOL
from indexer.layouts.pump import PUMP
from indexer.sources.simulate.addresses import Address, Seeded, derived, of_text
from indexer.sources.simulate.market import (
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
    SYSTEM_PROGRAM,
    Call,
    Stamp,
    assemble,
    event_call,
    token_transfer,
)
from indexer.transaction import Transaction

DECIMALS: Final = 6
_PROGRAM: Final = of_text(PUMP_FUN)
_GLOBAL: Final = derived(_PROGRAM, b"global")
EVENT_AUTHORITY: Final = derived(_PROGRAM, b"__event_authority")
_FEE_RECIPIENT: Final = of_text("G5UZAVbAf46s7cKWoyKu8kYTip9DGTpbLZ2qa9Aq69dP")
_FEE_CONFIG: Final = derived(of_text(PUMP_FEES), b"fee_config", _PROGRAM.raw)
_VOLUME: Final = derived(_PROGRAM, b"global_volume_accumulator")
_NATIVE: Final = of_text(NATIVE_SOL)
_BUYBACK_BPS: Final = 5_000
_TRADE: Final = PUMP.event("TradeEvent")
_BUY: Final = PUMP.instruction("buy")
_BUY_EXACT: Final = PUMP.instruction("buy_exact_sol_in")
_SELL: Final = PUMP.instruction("sell")
_HEAD: Final = struct.Struct("<8s32sQQ?32sqQQQQ32sQQ32sQQ?QQQqI")
_TAIL: Final = struct.Struct("<?QQQQI32sQQQQQ")
_TWO_AMOUNTS: Final = struct.Struct("<8sQQ")


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
        # What stands before, between and after the trader's own accounts.
        buy = tuple(fixed.get(name, "") for name in _BUY.accounts)
        sell = tuple(fixed.get(name, "") for name in _SELL.accounts)
        at, volume = _BUY.accounts.index("associated_user"), _BUY.accounts.index("user_volume_accumulator")
        self.buy = buy[:at], buy[at + 2 : volume], buy[volume + 1 :]
        at = _SELL.accounts.index("associated_user")
        self.sell = sell[:at], sell[at + 2 :]


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
            "mint_authority": derived(_PROGRAM, b"mint-authority").text,
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
        create = Call(
            PUMP_FUN,
            tuple(known.get(name, SYSTEM_PROGRAM) for name in layout.accounts),
            data,
            "CreateV2",
            (event_call(PUMP_FUN, EVENT_AUTHORITY.text, event),),
            (event,),
        )
        if first is None:
            return assemble(stamp, creator, (create,), self._vault(accounts, token))
        call, balances = self._swap(stamp, first, accounts, exact_in=False)
        return assemble(stamp, creator, (create, call), balances, compute_units=210_000)

    def trade(self, stamp: Stamp, swap: Swap, accounts: PumpAccounts, *, failed: bool = False) -> Transaction:
        """A curve trade, with the completion where it fills the curve."""
        call, balances = self._swap(stamp, swap, accounts, exact_in=stamp.index % 2 == 0)
        return assemble(stamp, self._seeded.wallet(swap.wallet).text, (call,), balances, failed=failed)

    def migration(
        self, stamp: Stamp, accounts: PumpAccounts, pool: str, pool_vault: str, quote: int, create_pool: Call
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
        call = Call(
            PUMP_FUN,
            tuple(known.get(name, SYSTEM_PROGRAM) for name in layout.accounts),
            layout.encode({}),
            "MigrateV2",
            (
                (create_pool.program, create_pool.accounts, create_pool.data),
                *create_pool.inner,
                event_call(PUMP_FUN, EVENT_AUTHORITY.text, event),
            ),
        )
        vault = TokenBalance(accounts.vault.text, accounts.mint.text, accounts.curve.text, 0, DECIMALS)
        held = TokenBalance(pool_vault, accounts.mint.text, pool, PUMP_POOL_BASE, DECIMALS)
        return assemble(stamp, payer.text, (call,), (vault, held), compute_units=480_000)

    def _swap(
        self, stamp: Stamp, swap: Swap, accounts: PumpAccounts, *, exact_in: bool
    ) -> tuple[Call, tuple[TokenBalance, ...]]:
        user = self._seeded.wallet(swap.wallet)
        mint, vault, curve = accounts.mint.text, accounts.vault.text, accounts.curve.text
        held = self._seeded.token_account(user.raw, accounts.mint.raw).text
        name = "sell" if not swap.is_buy else "buy_exact_sol_in" if exact_in else "buy"
        events: tuple[bytes, ...] = (trade_event(stamp, swap, accounts, user, name),)
        if swap.completes:
            events = (*events, _completion(stamp, accounts, user))
        if swap.is_buy:
            before, between, after = accounts.buy
            used = (*before, held, user.text, *between, user.text, *after)
            spend = swap.quote + fee_of(swap.quote, 95) + fee_of(swap.quote, 30)
            amounts = (spend, swap.base) if exact_in else (swap.base, spend + spend // 20)
            data = _TWO_AMOUNTS.pack((_BUY_EXACT if exact_in else _BUY).discriminator, *amounts) + b"\x00"
            transfer = token_transfer(TOKEN_2022, vault, mint, held, curve, swap.base, DECIMALS)
        else:
            before, after = accounts.sell
            used = (*before, held, user.text, *after)
            data = _TWO_AMOUNTS.pack(_SELL.discriminator, swap.base, swap.quote - swap.quote // 20)
            transfer = token_transfer(TOKEN_2022, held, mint, vault, user.text, swap.base, DECIMALS)
        sent = [event_call(PUMP_FUN, EVENT_AUTHORITY.text, each) for each in events]
        call = Call(PUMP_FUN, used, data, _LOG_NAMES[name], (transfer, *sent), events)
        balance = TokenBalance(held, mint, user.text, swap.balance, DECIMALS)
        return call, (balance, *self._vault(accounts, swap.token))

    def _vault(self, accounts: PumpAccounts, token: Token) -> tuple[TokenBalance, ...]:
        amount = token.real_base + PUMP_POOL_BASE
        return (TokenBalance(accounts.vault.text, accounts.mint.text, accounts.curve.text, amount, DECIMALS),)


_LOG_NAMES: Final = {"sell": "Sell", "buy": "Buy", "buy_exact_sol_in": "BuyExactSolIn"}


def trade_event(stamp: Stamp, swap: Swap, accounts: PumpAccounts, user: Address, name: str) -> bytes:
    """TradeEvent of the newest published layout (374 bytes and the length of `ix_name`)."""
    token = swap.token
    fee = fee_of(swap.quote, swap.fees[1])
    encoded = name.encode()
    return (
        _HEAD.pack(
            _TRADE.discriminator,
            accounts.mint.raw,
            swap.quote,
            swap.base,
            swap.is_buy,
            user.raw,
            stamp.time,
            token.virtual_quote,
            token.virtual_base,
            token.real_quote,
            token.real_base,
            _FEE_RECIPIENT.raw,
            swap.fees[1],
            fee,
            accounts.creator.raw,
            swap.fees[2],
            fee_of(swap.quote, swap.fees[2]),
            False,
            0,
            0,
            0,
            0,
            len(encoded),
        )
        + encoded
        + _TAIL.pack(
            False,
            0,
            0,
            _BUYBACK_BPS,
            fee * _BUYBACK_BPS // 10_000,
            0,
            _NATIVE.raw,
            swap.quote,
            token.virtual_quote,
            token.real_quote,
            0,
            0,
        )
    )


def _completion(stamp: Stamp, accounts: PumpAccounts, user: Address) -> bytes:
    return PUMP.event("CompleteEvent").encode(
        {
            "user": user.text,
            "mint": accounts.mint.text,
            "bonding_curve": accounts.curve.text,
            "timestamp": stamp.time,
            "quote_mint": NATIVE_SOL,
        }
    )
