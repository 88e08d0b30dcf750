"""Meteora dynamic bonding curve: launches, trades, completions, and migrations seen by their instruction.

A swap emits EvtSwap and, since 2025, EvtSwap2 right behind it: one trade, with EvtSwap's ordinal. Amounts before fees:

- the config says whether a fee is taken from the quote alone or from what comes out. The events show it: where the
  input with fee exceeds the input without, the fee was taken from the input, else from the output;
- a sell pays in quote either way: `quote_amount` is the output with its fees put back;
- a buy pays in quote (`quote_amount` is the input without fee) or in base (`base_amount` is the output with its fees
  put back, and `fee` is None because it cannot be told in quote).

`trading_fee`, `protocol_fee` and `referral_fee` are disjoint parts of the whole fee.
"""

from typing import Final, NamedTuple

from app.domain.events import Completion, Event, Launch, Migration, Trade
from app.domain.programs import METEORA_DBC, Protocol, Side, TradeProgram
from app.errors import DecodeError
from indexer.decoders.anchor import Emission
from indexer.decoders.context import Context, named_account, printable, quote_name, unsigned
from indexer.layouts.borsh import Fields, LayoutError
from indexer.layouts.dynamic_bonding_curve import DBC
from indexer.layouts.idl import DISCRIMINATOR_BYTES
from indexer.transaction import Instruction

PROGRAM_ID: Final = METEORA_DBC
IDL: Final = DBC
_SWAP: Final = DBC.event("EvtSwap")
_SWAPS_2: Final = tuple(DBC.event(name) for name in ("EvtSwap2", "EvtSwap2WithTransferHook"))
_SAME_SWAP: Final = slice(DISCRIMINATOR_BYTES, DISCRIMINATOR_BYTES + 32 + 32 + 1)
"""Pool, config and direction: what the twins begin with."""
_MIGRATIONS: Final = {
    DBC.instruction("migrate_meteora_damm").discriminator: Protocol.METEORA_DAMM_V1,
    DBC.instruction("migration_damm_v2").discriminator: Protocol.METEORA_DAMM_V2,
}
_FEES: Final = ("trading_fee", "protocol_fee", "referral_fee")


class _Amounts(NamedTuple):
    base: int
    quote: int
    fee: int | None


def decode_event(
    name: str, fields: Fields, emission: Emission, context: Context, place: tuple[int, int]
) -> Event | None:
    """The domain event of a decoded DBC event; None for the second of two twins and for claims and administration."""
    match name:
        case "EvtSwap":
            return _swap(fields, emission, context, place)
        case "EvtSwap2" | "EvtSwap2WithTransferHook":
            twin = _neighbour(emission, context, -1)
            return None if _are_twins(twin, emission) else _trade(fields, emission, context, place, _amounts_2(fields))
        case "EvtInitializePool" | "EvtInitializePoolWithTransferHook":
            return _launch(fields, emission, context, place)
        case "EvtCurveComplete" | "EvtCurveCompleteWithTransferHook":
            return _completion(fields, emission, context, place)
    return None


def is_migration(instruction: Instruction) -> bool:
    """Whether this moves a full curve to an AMM: DBC emits no event for it."""
    return instruction.data[:DISCRIMINATOR_BYTES] in _MIGRATIONS


def decode_migration(instruction: Instruction, context: Context, place: tuple[int, int]) -> Migration:
    """The migration that `is_migration` saw; DecodeError when its accounts are not all there."""
    accounts = [
        named_account(IDL, instruction, *names)
        for names in (("base_mint", "token_a_mint"), ("quote_mint", "token_b_mint"), ("virtual_pool",), ("pool",))
    ]
    mint, quote_mint, curve, pool = accounts
    if mint is None or quote_mint is None or curve is None or pool is None:
        raise DecodeError("migration accounts missing")
    return Migration(
        **context.head(Protocol.METEORA_DBC, *place, None),
        mint=mint,
        bonding_curve=curve,
        pool=pool,
        to_program=_MIGRATIONS[instruction.data[:DISCRIMINATOR_BYTES]],
        quote_mint=quote_name(quote_mint),
        base_amount=_held(named_account(IDL, instruction, "token_a_vault"), context),
        quote_amount=_held(named_account(IDL, instruction, "token_b_vault"), context),
    )


def _held(vault: str | None, context: Context) -> int | None:
    """What a new DAMM v2 vault holds after the migration; v1 puts it into vaults shared with other pools."""
    balances = context.transaction.post_balances
    return next((balance.amount for balance in balances if balance.account == vault), None)


def _swap(fields: Fields, emission: Emission, context: Context, place: tuple[int, int]) -> Trade:
    """A trade from EvtSwap, with what only its twin tells where it has one."""
    twin = _neighbour(emission, context, 1)
    if twin is not None and _are_twins(emission, twin):
        layout = next(layout for layout in _SWAPS_2 if layout.discriminator == twin.discriminator)
        try:
            fields_2 = context.fields(twin, layout)
            return _trade(fields_2, emission, context, place, _amounts_2(fields_2))
        except (LayoutError, KeyError):
            pass  # The twin is reported where it stands; this event alone tells the trade too.
    result = fields["swap_result"]
    amounts = _amounts(fields, fields["amount_in"], result["actual_input_amount"])
    return _trade(fields, emission, context, place, amounts)


def _are_twins(first: Emission | None, second: Emission) -> bool:
    return (
        first is not None
        and first.discriminator == _SWAP.discriminator
        and any(second.discriminator == layout.discriminator for layout in _SWAPS_2)
        and first.payload[_SAME_SWAP] == second.payload[_SAME_SWAP]
        and first.instruction is second.instruction
    )


def _neighbour(emission: Emission, context: Context, offset: int) -> Emission | None:
    """The DBC event just before or behind this one."""
    own = [step for step in context.steps if isinstance(step, Emission) and step.program == PROGRAM_ID]
    index = next(i for i, step in enumerate(own) if step is emission) + offset
    return own[index] if 0 <= index < len(own) else None


def _amounts_2(fields: Fields) -> _Amounts:
    result = fields["swap_result"]
    return _amounts(fields, result["included_fee_input_amount"], result["excluded_fee_input_amount"])


def _amounts(fields: Fields, with_fee: int, without_fee: int) -> _Amounts:
    result = fields["swap_result"]
    fee = sum(result[name] for name in _FEES)
    output = result["output_amount"]
    gross = unsigned(output + fee)
    if _side(fields) is Side.SELL:
        return _Amounts(without_fee, gross, fee)
    if with_fee > without_fee or fee == 0:
        return _Amounts(output, without_fee, fee)
    return _Amounts(gross, without_fee, None)


def _side(fields: Fields) -> Side:
    direction = fields["trade_direction"]
    if direction > 1:
        raise DecodeError("unknown trade direction")
    return Side.BUY if direction else Side.SELL


def _trade(fields: Fields, emission: Emission, context: Context, place: tuple[int, int], amounts: _Amounts) -> Trade:
    pool = fields["pool"]
    mints = context.mints(emission, pool)
    trader = context.account(emission, "payer", touching=pool)
    if trader is None:
        raise DecodeError("trader unknown")
    return Trade(
        **context.head(Protocol.METEORA_DBC, *place, fields),
        mint=mints.base_mint,
        quote_mint=quote_name(mints.quote_mint),
        base_decimals=mints.base_decimals,
        quote_decimals=mints.quote_decimals,
        venue=pool,
        venue_kind=TradeProgram.BONDING_CURVE,
        side=_side(fields),
        trader=trader,
        base_amount=amounts.base,
        quote_amount=amounts.quote,
        fee=amounts.fee,
        virtual_base_reserves=None,
        virtual_quote_reserves=None,
        real_base_reserves=None,
        real_quote_reserves=fields.get("quote_reserve_amount"),
        sqrt_price=fields["swap_result"]["next_sqrt_price"],
        config=fields["config"],
        migration_threshold=fields.get("migration_threshold"),
        compute_units=context.transaction.compute_units,
        priority_fee=context.priority_fee,
    )


def _launch(fields: Fields, emission: Emission, context: Context, place: tuple[int, int]) -> Launch:
    """The event lacks name and quote: they come from the instruction, the supply from the balances it left."""
    mint = fields["base_mint"]
    quote_mint = context.account(emission, "quote_mint", touching=fields["pool"])
    if quote_mint is None:
        raise DecodeError("pool mints unknown")
    metadata = _metadata(emission.instruction)
    supply = sum(balance.amount for balance in context.transaction.post_balances if balance.mint == mint)
    return Launch(
        **context.head(Protocol.METEORA_DBC, *place, fields),
        mint=mint,
        bonding_curve=fields["pool"],
        config=fields["config"],
        creator=fields["creator"],
        name=printable(metadata.get("name")),
        symbol=printable(metadata.get("symbol")),
        uri=printable(metadata.get("uri")),
        base_decimals=context.decimals(mint),
        quote_mint=quote_name(quote_mint),
        quote_decimals=context.decimals(quote_mint),
        token_program=context.account(emission, "token_program", touching=fields["pool"]),
        total_supply=supply or None,
        virtual_base_reserves=None,
        virtual_quote_reserves=None,
        real_base_reserves=None,
        real_quote_reserves=0,
    )


def _metadata(instruction: Instruction | None) -> Fields:
    """Name, symbol and URI of an initialize instruction; empty when there is none that can be read."""
    layout = IDL.instructions.get(instruction.data[:DISCRIMINATOR_BYTES]) if instruction else None
    if layout is None or instruction is None:
        return {}
    try:
        params: Fields = layout.decode(instruction.data).fields.get("params", {})
    except LayoutError:
        return {}
    return params


def _completion(fields: Fields, emission: Emission, context: Context, place: tuple[int, int]) -> Completion:
    mints = context.mints(emission, fields["pool"])
    return Completion(
        **context.head(Protocol.METEORA_DBC, *place, fields),
        mint=mints.base_mint,
        bonding_curve=fields["pool"],
        quote_mint=quote_name(mints.quote_mint),
        base_reserves=fields["base_reserve"],
        quote_reserves=fields["quote_reserve"],
    )
