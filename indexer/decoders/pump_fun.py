"""pump.fun bonding curve: its events as launches, trades, completions and migrations.

Event reserves are post-trade. Fees are protocol + creator + cashback + holder rewards (the last two replace the
creator's part on such coins; buyback is a share of the protocol's, not added). `sol_*` fields are 0 for other quotes
than SOL, so the quote fields go first where the event has them (from 358 bytes on).
"""

from functools import lru_cache
from typing import Final

from solders.pubkey import Pubkey

from app.domain.events import Completion, Event, Launch, Migration, Trade
from app.domain.programs import PUMP_FUN, WSOL, Protocol, Side, TradeProgram
from indexer.decoders.anchor import Emission
from indexer.decoders.context import Context, named_account, printable, quote_name, someone
from indexer.layouts.borsh import Fields
from indexer.layouts.pump import PUMP

PROGRAM_ID: Final = PUMP_FUN
IDL: Final = PUMP
BASE_DECIMALS: Final = 6
"""Every pump mint has six."""
SUPPLY: Final = 1_000_000_000 * 10**BASE_DECIMALS
"""Raw supply of every pump mint but mayhem ones (PROGRAMS.md, "pump curve and fees")."""
_FEES: Final = ("fee", "creator_fee", "cashback", "holder_rewards")
_FEE_BPS: Final = (
    "fee_basis_points",
    "creator_fee_basis_points",
    "cashback_fee_basis_points",
    "holder_rewards_bps",
)


def decode_event(
    name: str, fields: Fields, emission: Emission, context: Context, place: tuple[int, int]
) -> Event | None:
    """The domain event of a decoded pump event; None for those that change nothing we keep."""
    match name:
        case "TradeEvent":
            return _trade(fields, emission, context, place)
        case "CreateEvent":
            return _launch(fields, emission, context, place)
        case "CompleteEvent":
            return _completion(fields, context, place)
        case "CompletePumpAmmMigrationEvent":
            return _migration(fields, context, place)
    return None


def _trade(fields: Fields, emission: Emission, context: Context, place: tuple[int, int]) -> Trade:
    quote_mint = quote_name(fields.get("quote_mint", WSOL))
    of = "quote" if "quote_mint" in fields else "sol"
    return Trade(
        **context.head(_protocol(fields, "mayhem_mode"), *place, fields),
        mint=fields["mint"],
        quote_mint=quote_mint,
        base_decimals=BASE_DECIMALS,
        quote_decimals=context.decimals(quote_mint),
        venue=_curve(fields["mint"], emission, context),
        venue_kind=TradeProgram.BONDING_CURVE,
        side=Side.BUY if fields["is_buy"] else Side.SELL,
        trader=fields["user"],
        base_amount=fields["token_amount"],
        quote_amount=fields[f"{of}_amount"],
        fee=_sum(fields, _FEES),
        fee_bps=_sum(fields, _FEE_BPS),
        virtual_base_reserves=fields["virtual_token_reserves"],
        virtual_quote_reserves=fields[f"virtual_{of}_reserves"],
        real_base_reserves=fields.get("real_token_reserves"),
        real_quote_reserves=fields.get(f"real_{of}_reserves"),
        base_supply=None if fields.get("mayhem_mode") else SUPPLY,
        creator=someone(fields.get("creator")),
        compute_units=context.transaction.compute_units,
        priority_fee=context.priority_fee,
    )


def _launch(fields: Fields, emission: Emission, context: Context, place: tuple[int, int]) -> Launch:
    quote_mint = quote_name(fields.get("quote_mint", WSOL))
    token_program = fields.get("token_program")
    return Launch(
        **context.head(_protocol(fields, "is_mayhem_mode"), *place, fields),
        mint=fields["mint"],
        bonding_curve=fields["bonding_curve"],
        config=None,
        creator=fields["creator"] if "creator" in fields else fields["user"],
        name=printable(fields["name"]),
        symbol=printable(fields["symbol"]),
        uri=printable(fields["uri"]),
        base_decimals=BASE_DECIMALS,
        quote_mint=quote_mint,
        quote_decimals=context.decimals(quote_mint),
        token_program=token_program or context.account(emission, "token_program", touching=fields["mint"]),
        total_supply=fields.get("token_total_supply", None if fields.get("is_mayhem_mode") else SUPPLY),
        virtual_base_reserves=fields.get("virtual_token_reserves"),
        virtual_quote_reserves=fields.get("virtual_quote_reserves", fields.get("virtual_sol_reserves")),
        real_base_reserves=fields.get("real_token_reserves"),
        real_quote_reserves=0,
    )


def _completion(fields: Fields, context: Context, place: tuple[int, int]) -> Completion:
    return Completion(
        **context.head(Protocol.PUMP_FUN, *place, fields),
        mint=fields["mint"],
        bonding_curve=fields["bonding_curve"],
        quote_mint=quote_name(fields.get("quote_mint", WSOL)),
    )


def _migration(fields: Fields, context: Context, place: tuple[int, int]) -> Migration:
    """`sol_amount` is in the curve's own quote (docs of the IDL)."""
    return Migration(
        **context.head(Protocol.PUMP_FUN, *place, fields),
        mint=fields["mint"],
        bonding_curve=fields["bonding_curve"],
        pool=fields["pool"],
        to_program=Protocol.PUMP_SWAP,
        quote_mint=quote_name(fields.get("quote_mint", WSOL)),
        base_amount=fields["mint_amount"],
        quote_amount=fields["sol_amount"],
    )


def _protocol(fields: Fields, flag: str) -> Protocol:
    return Protocol.PUMP_FUN_MAYHEM if fields.get(flag) else Protocol.PUMP_FUN


def _sum(fields: Fields, names: tuple[str, ...]) -> int | None:
    """Of those that this version of the event has; None when it has none."""
    present = [fields[name] for name in names if name in fields]
    return sum(present) if present else None


def _curve(mint: str, emission: Emission, context: Context) -> str:
    """The curve account: the event does not name it, its instruction does, and its address follows from the mint."""
    own = emission.instruction
    if own is not None and mint in own.accounts and (curve := named_account(IDL, own, "bonding_curve")):
        return curve
    return curve_address(mint)


@lru_cache(maxsize=1 << 14)
def curve_address(mint: str) -> str:
    """Where pump keeps the curve of a mint: the program address of `bonding-curve` and the mint."""
    seeds = [b"bonding-curve", bytes(Pubkey.from_string(mint))]
    return str(Pubkey.find_program_address(seeds, Pubkey.from_string(PUMP_FUN))[0])
