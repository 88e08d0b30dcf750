"""`tradeStream`: trades that a filter selects, packed, from any stored point to live."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import msgspec
import strawberry

from app.domain.programs import Commitment
from app.domain.records import TradeRecord, Withdrawn
from app.schema.context import Context
from app.schema.inputs import StreamDelivery, StreamStart, TradeFilter
from app.schema.packing import Packed, PayloadView, head_of
from app.schema.plans import Circumstances, Event, Plan
from app.schema.sources import record_cursor, streamed, trades_of
from app.schema.streams import PayloadFields, is_conflated, options_of
from app.schema.trades import Trade, price_paid, trade_id
from app.store.feed import read_withdrawn


class TradesView(PayloadView, frozen=True, kw_only=True):
    """Trades, or ids of trades that left the chain."""

    trades: Sequence[TradeRecord]
    rolled_back: Sequence[strawberry.ID]


@strawberry.type(description="Trades in chain order.")
class TradeStreamPayload(PayloadFields):
    trades: list[Trade] = strawberry.field(description="Trades; empty on a heartbeat.")
    rolled_back: list[strawberry.ID] = strawberry.field(
        description="Ids of trades sent before at PROCESSED that a fork removed."
    )


class PackedTrades(Packed[TradeRecord]):
    """Payloads of `tradeStream`."""

    def __init__(self, context: Context, max_batch: int) -> None:
        super().__init__(lambda trade: trade.sequence, partial(record_cursor, context), max_batch)

    def view(
        self, records: Sequence[TradeRecord], gone: Sequence[Withdrawn], cursor: str, told: Circumstances
    ) -> PayloadView:
        ids = [trade_id(each.block_time, each.identity) for each in gone]
        return TradesView(
            cursor=cursor, phase=told.phase, gap=told.gap, head=head_of(told), trades=records, rolled_back=ids
        )

    def withdrawn(self, gone: Sequence[Withdrawn], cursor: str, told: Circumstances) -> Event | None:
        return Event(self.view((), gone, cursor, told), told.moment.sequence, cursor, ())


def merged(older: TradeRecord, newer: TradeRecord) -> TradeRecord:
    """Two trades of one token and side as one: amounts and fees of both, everything else of the newer."""
    fees = (older.fee, newer.fee)
    return msgspec.structs.replace(
        newer,
        base_amount=older.base_amount + newer.base_amount,
        quote_amount=older.quote_amount + newer.quote_amount,
        fee=None if None in fees else sum(fee for fee in fees if fee is not None),
        price_paid=price_paid(newer),
    )


async def trade_stream_plan(
    context: Context,
    chosen: TradeFilter | None,
    start: StreamStart | None,
    delivery: StreamDelivery | None,
    commitment: Commitment | None,
) -> Plan[TradeRecord]:
    """Raises InvalidInput, CursorInvalid, CursorExpired."""
    source, options = trades_of(context, chosen), options_of(delivery)
    plan = await streamed(context, source, commitment, PackedTrades(context, options.max_batch), options, start)
    return replace(
        plan,
        merge=merged if is_conflated(delivery) else None,
        read_withdrawn=partial(read_withdrawn, context.engine),
    )
