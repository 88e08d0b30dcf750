"""Records as the bus brings them, made without a store: a test names only what it is about."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from factories import SLOT0, T0, address

from app.domain.events import pack_position
from app.domain.programs import WSOL, Commitment, Protocol, Side, TradeProgram
from app.domain.records import Batch, ChainPoint, Head, RecordKind, TokenRecord, TradeRecord, Withdrawn
from app.live.moment import Moment

NOWHERE = Moment(0, None, {}, {})


def traded(sequence: int, mint: str = "mint", slot: int = SLOT0, **given: Any) -> TradeRecord:
    """A buy for one SOL at 150 dollars on a curve."""
    defaults: dict[str, Any] = {
        "identity": sequence.to_bytes(16, "big"),
        "position": pack_position(slot, 0, 0),
        "block_time": T0 + sequence,
        "indexed_at": datetime.fromtimestamp(T0, UTC),
        "commitment": Commitment.CONFIRMED,
        "signature": "",
        "ordinal": 0,
        "program": Protocol.PUMP_FUN,
        "venue": address(f"curve of {mint}"),
        "venue_kind": TradeProgram.BONDING_CURVE,
        "base_decimals": 6,
        "quote_mint": WSOL,
        "quote_decimals": 9,
        "total_supply": 10**15,
        "creator": address(f"creator of {mint}"),
        "side": Side.BUY,
        "trader": address("trader"),
        "base_amount": 10**12,
        "quote_amount": 10**9,
        "fee": None,
        "virtual_base_reserves": 10**15,
        "virtual_quote_reserves": 3 * 10**10,
        "real_base_reserves": None,
        "real_quote_reserves": None,
        "sqrt_price": None,
        "spot_price": None,
        "quote_usd": Decimal(150),
        "compute_units": None,
        "priority_fee": None,
        "is_first_trade": False,
    }
    return TradeRecord(**{"sequence": sequence, "mint": address(mint), **defaults, **given})


def token(mint: str = "mint", slot: int = SLOT0, **given: Any) -> TokenRecord:
    """A token on its curve; its launch has a sequence where one is given."""
    here = ChainPoint(slot, T0, given.pop("commitment", Commitment.CONFIRMED))
    blank: dict[str, Any] = dict.fromkeys(TokenRecord.__struct_fields__)
    defaults: dict[str, Any] = {"mint": address(mint), "as_of": here, "price_at": here, "pools": (), "decimals": 6}
    return TokenRecord(**{**blank, **defaults, **given})


def batch(
    after: int, *trades: TradeRecord, last: int | None = None, finalized: int | None = None, **given: Any
) -> Batch:
    """A commit of what follows `after`; the chain is final up to slot `finalized`."""
    end = last if last is not None else max([after, *(trade.sequence for trade in trades)])
    final = None if finalized is None else ChainPoint(finalized, T0, Commitment.FINALIZED)
    head = Head(
        point=ChainPoint(SLOT0, T0, Commitment.CONFIRMED),
        finalized=final,
        sequence=end,
        source="test",
        is_simulated=True,
    )
    return Batch(
        previous_sequence=after, first_sequence=after + 1, last_sequence=end, trades=trades, head=head, **given
    )


def gone(trade: TradeRecord) -> Withdrawn:
    """A trade that left the chain."""
    return Withdrawn(RecordKind.TRADE, trade.sequence, trade.mint, trade.block_time, trade.identity)
