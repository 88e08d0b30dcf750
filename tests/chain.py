"""Builds transactions of the three programs for tests: a test names only the fields that it is about."""

from base64 import b64encode
from typing import Any

from app.domain.events import TokenBalance
from app.domain.programs import PUMP_FUN, WSOL, Commitment
from indexer import base58
from indexer.decoders.anchor import SELF_CPI
from indexer.layouts.borsh import PRIMITIVES, Array, Codec, Fixed, Option, Record, String, Variant, Vec
from indexer.layouts.dynamic_bonding_curve import DBC
from indexer.layouts.idl import Idl, Layout
from indexer.layouts.pump import PUMP
from indexer.layouts.pump_amm import PUMP_AMM
from indexer.transaction import Instruction, Transaction

SIGNATURE = base58.encode(bytes(range(1, 65)))
TIME = 1_790_000_000


def key(number: int) -> str:
    """An address that reads as no real one."""
    return base58.address(bytes([number]) * 32)


MINT, TRADER, CREATOR, POOL, CURVE, CONFIG = (key(n) for n in range(10, 16))


def blank(codec: Codec) -> Any:
    """The zero of a type."""
    match codec:
        case Record():
            return {name: blank(field) for name, field in codec.fields.items()}
        case Fixed():
            if codec is PRIMITIVES["pubkey"]:
                return key(0)
            return bytes(int(codec.form[:-1])) if codec.form.endswith("s") and codec.after is None else 0
        case String():
            return ""
        case Vec():
            return []
        case Option():
            return None
        case Variant():
            return codec.names[0]
        case Array():
            return [blank(codec.item)] * codec.size
    raise TypeError(codec)


def event(idl: Idl, name: str, /, **fields: Any) -> bytes:
    """The payload of an event, other fields zero."""
    layout = idl.event(name)
    return layout.encode({**blank(layout.record), **fields})


def call(idl: Idl, name: str, *, outer: int = 0, height: int = 1, args: Any = None, **accounts: str) -> Instruction:
    """An instruction with the accounts of its IDL; those not named are made up."""
    layout: Layout = idl.instruction(name)
    keys = tuple(accounts.get(account, key(100 + i % 100)) for i, account in enumerate(layout.accounts))
    return Instruction(idl.program, keys, layout.encode({**blank(layout.record), **(args or {})}), outer, height)


def self_cpi(idl: Idl, payload: bytes, *, outer: int = 0) -> Instruction:
    """An event as its program emits it to itself."""
    return Instruction(idl.program, (key(99),), SELF_CPI + payload, outer, 2)


def data_line(payload: bytes) -> str:
    return f"Program data: {b64encode(payload).decode()}"


def transaction(*instructions: Instruction, **fields: Any) -> Transaction:
    """A successful transaction."""
    defaults: dict[str, Any] = {
        "signature": SIGNATURE,
        "slot": 450_000_000,
        "transaction_index": 7,
        "block_time": TIME,
        "commitment": Commitment.FINALIZED,
        "failed": False,
        "instructions": instructions,
    }
    return Transaction(**{**defaults, **fields})


def from_logs(*logs: str, **fields: Any) -> Transaction:
    """What a logs notification holds."""
    return transaction(logs=logs, is_partial=True, transaction_index=None, block_time=None, **fields)


def balance(mint: str, amount: int = 0, decimals: int = 6, account: str = "") -> TokenBalance:
    return TokenBalance(account or key(200), mint, key(201), amount, decimals)


def pump_trade(**fields: Any) -> bytes:
    """A buy of 1,000 tokens for 0.1 SOL, with a curve of the usual start."""
    defaults: dict[str, Any] = {
        "mint": MINT,
        "sol_amount": 100_000_000,
        "token_amount": 1_000_000_000,
        "is_buy": True,
        "user": TRADER,
        "timestamp": TIME,
        "virtual_sol_reserves": 30_100_000_000,
        "virtual_token_reserves": 1_072_000_000_000_000,
        "real_sol_reserves": 100_000_000,
        "real_token_reserves": 792_100_000_000_000,
        "fee_basis_points": 95,
        "fee": 950_000,
        "creator": CREATOR,
        "creator_fee_basis_points": 30,
        "creator_fee": 300_000,
        "ix_name": "buy",
        "quote_mint": key(0),
        "quote_amount": 100_000_000,
        "virtual_quote_reserves": 30_100_000_000,
        "real_quote_reserves": 100_000_000,
    }
    return event(PUMP, "TradeEvent", **{**defaults, **fields})


def pump_buy(payload: bytes, *, outer: int = 0) -> tuple[Instruction, Instruction]:
    """A buy instruction and the event that it emits."""
    bought = call(PUMP, "buy", outer=outer, mint=MINT, bonding_curve=CURVE, user=TRADER)
    return bought, self_cpi(PUMP, payload, outer=outer)


def swap_buy(**fields: Any) -> bytes:
    """A PumpSwap buy of 10 from 1,000 for about 10 of 1,000, LP fee 2, other fees 3."""
    defaults: dict[str, Any] = {
        "timestamp": TIME,
        "base_amount_out": 10_000,
        "pool_base_token_reserves": 1_000_000,
        "pool_quote_token_reserves": 1_000_000,
        "quote_amount_in": 10_102,
        "quote_amount_in_with_lp_fee": 10_104,
        "user_quote_amount_in": 10_107,
        "pool": POOL,
        "user": TRADER,
    }
    return event(PUMP_AMM, "BuyEvent", **{**defaults, **fields})


def swap_sell(**fields: Any) -> bytes:
    defaults: dict[str, Any] = {
        "timestamp": TIME,
        "base_amount_in": 10_000,
        "pool_base_token_reserves": 1_000_000,
        "pool_quote_token_reserves": 1_000_000,
        "quote_amount_out": 9_900,
        "quote_amount_out_without_lp_fee": 9_898,
        "user_quote_amount_out": 9_895,
        "pool": POOL,
        "user": TRADER,
    }
    return event(PUMP_AMM, "SellEvent", **{**defaults, **fields})


def swap_call(name: str = "buy", *, base: str = MINT, quote: str = WSOL) -> Instruction:
    return call(PUMP_AMM, name, pool=POOL, user=TRADER, base_mint=base, quote_mint=quote)


def dbc_swap(name: str, *, direction: int = 1, **fields: Any) -> bytes:
    """EvtSwap or EvtSwap2: 1,000 quote with 40 fee for 5,000 base."""
    result = {
        "actual_input_amount": 960,
        "included_fee_input_amount": 1_000,
        "excluded_fee_input_amount": 960,
        "output_amount": 5_000,
        "next_sqrt_price": 1 << 63,
        "trading_fee": 32,
        "protocol_fee": 8,
    }
    layout = DBC.event(name)
    blank_fields = blank(layout.record)
    kept = {k: v for k, v in result.items() if k in blank_fields["swap_result"]}
    made = {
        "pool": POOL,
        "config": CONFIG,
        "trade_direction": direction,
        "swap_result": {**blank_fields["swap_result"], **kept},
        "current_timestamp": TIME,
        **({"amount_in": 1_000} if name == "EvtSwap" else {"quote_reserve_amount": 960, "migration_threshold": 9_999}),
    }
    return layout.encode({**blank_fields, **made, **fields})


def dbc_call(name: str = "swap2", *, payer: str = TRADER, base: str = MINT, quote: str = WSOL) -> Instruction:
    return call(DBC, name, pool=POOL, config=CONFIG, base_mint=base, quote_mint=quote, payer=payer)


def pump_log(*payloads: bytes) -> tuple[str, ...]:
    """The log of one pump instruction that prints events."""
    return (f"Program {PUMP_FUN} invoke [1]", *map(data_line, payloads), f"Program {PUMP_FUN} success")
