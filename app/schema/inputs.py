"""Input types: what clients may select and sort by. `app.schema.filters` gives them their meaning."""

import strawberry
from strawberry import UNSET

from app.domain.programs import Protocol, Side, Stage, TradeProgram
from app.domain.streams import OverflowPolicy
from app.schema.enums import SortDirection, StatsWindow, TokenOrderField, TradeOrderField
from app.schema.scalars import BigInt, DateTime


@strawberry.input(description="Comparison of a number; members are joined by AND.")
class FloatFilter:
    eq: float | None = strawberry.field(default=UNSET, description="Equal.")
    gt: float | None = strawberry.field(default=UNSET, description="Greater than.")
    gte: float | None = strawberry.field(default=UNSET, description="Greater than or equal.")
    lt: float | None = strawberry.field(default=UNSET, description="Less than.")
    lte: float | None = strawberry.field(default=UNSET, description="Less than or equal.")


@strawberry.input(description="Comparison of a time; members are joined by AND.")
class DateTimeFilter:
    gte: DateTime | None = strawberry.field(default=UNSET, description="At or after.")
    lt: DateTime | None = strawberry.field(default=UNSET, description="Before.")
    within_seconds: int | None = strawberry.field(default=UNSET, description="Not older than so many seconds.")


@strawberry.input(description="Membership of a text value.")
class StringFilter:
    eq: str | None = strawberry.field(default=UNSET, description="Equal.")
    in_: list[str] | None = strawberry.field(name="in", default=UNSET, description="One of; at most 500.")
    not_in: list[str] | None = strawberry.field(default=UNSET, description="None of; at most 500.")


@strawberry.input(description="Selects tokens. Members are joined by AND.")
class TokenFilter:
    and_: list["TokenFilter"] | None = strawberry.field(name="and", default=UNSET, description="All of these hold.")
    or_: list["TokenFilter"] | None = strawberry.field(
        name="or", default=UNSET, description="At least one of these holds."
    )
    not_: "TokenFilter | None" = strawberry.field(name="not", default=UNSET, description="This does not hold.")
    mint_address: StringFilter | None = strawberry.field(default=UNSET, description="Mint addresses.")
    creator_address: StringFilter | None = strawberry.field(default=UNSET, description="Creator wallets.")
    protocol: list[Protocol] | None = strawberry.field(default=UNSET, description="Any of these curve or AMM programs.")
    quote_mint: StringFilter | None = strawberry.field(default=UNSET, description="Quote mint.")
    stage: list[Stage] | None = strawberry.field(default=UNSET, description="Any of these stages.")
    created_at: DateTimeFilter | None = strawberry.field(default=UNSET, description="Launch time.")
    last_trade_at: DateTimeFilter | None = strawberry.field(default=UNSET, description="Time of the last trade.")
    price_usd: FloatFilter | None = strawberry.field(default=UNSET, description="Price in USD.")
    market_cap: FloatFilter | None = strawberry.field(default=UNSET, description="Market cap in USD.")
    liquidity: FloatFilter | None = strawberry.field(default=UNSET, description="Liquidity in USD.")
    curve_progress: FloatFilter | None = strawberry.field(default=UNSET, description="Curve progress, 0 to 1.")


@strawberry.input(description="Order of tokens.")
class TokenOrder:
    field: TokenOrderField = strawberry.field(description="Key.")
    window: StatsWindow | None = strawberry.field(
        default=StatsWindow.H24, description="Window, for keys that have one."
    )
    direction: SortDirection | None = strawberry.field(default=SortDirection.DESC, description="Direction.")


@strawberry.input(description="Selects trades, in queries and in streams alike. Members are joined by AND.")
class TradeFilter:
    and_: list["TradeFilter"] | None = strawberry.field(name="and", default=UNSET, description="All of these hold.")
    or_: list["TradeFilter"] | None = strawberry.field(
        name="or", default=UNSET, description="At least one of these holds."
    )
    not_: "TradeFilter | None" = strawberry.field(name="not", default=UNSET, description="This does not hold.")
    mint_address: StringFilter | None = strawberry.field(default=UNSET, description="Mint addresses.")
    trader_address: StringFilter | None = strawberry.field(default=UNSET, description="Trader wallets.")
    creator_address: StringFilter | None = strawberry.field(
        default=UNSET, description="Creator wallets of the traded token."
    )
    protocol: list[Protocol] | None = strawberry.field(default=UNSET, description="Any of these programs.")
    program: TradeProgram | None = strawberry.field(default=UNSET, description="Curve or AMM.")
    side: Side | None = strawberry.field(default=UNSET, description="Side.")
    volume_usd: FloatFilter | None = strawberry.field(default=UNSET, description="USD value.")
    quote_amount: FloatFilter | None = strawberry.field(
        default=UNSET, description="Quote amount in whole quote tokens."
    )
    price_usd: FloatFilter | None = strawberry.field(default=UNSET, description="Price in USD.")
    block_time: DateTimeFilter | None = strawberry.field(default=UNSET, description="Block time.")
    first_trade_only: bool | None = strawberry.field(
        default=UNSET, description="Only the trader's first trade in this token."
    )
    token: TokenFilter | None = strawberry.field(
        default=UNSET, description="Filter on the traded token, judged at the trade."
    )


@strawberry.input(description="Order of trades.")
class TradeOrder:
    field: TradeOrderField = strawberry.field(default=TradeOrderField.CHAIN, description="Key.")
    direction: SortDirection = strawberry.field(default=SortDirection.DESC, description="Direction.")


@strawberry.input(one_of=True, description="Where a stream starts; give exactly one.")
class StreamStart:
    cursor: str | None = strawberry.field(default=UNSET, description="Strictly after this cursor.")
    time: DateTime | None = strawberry.field(default=UNSET, description="From this time.")
    slot: BigInt | None = strawberry.field(default=UNSET, description="From this slot, inclusive.")
    last: int | None = strawberry.field(
        default=UNSET, description="With the newest so many matching records, then live; at most 10,000."
    )


@strawberry.input(description="How records are packed on a stream.")
class StreamDelivery:
    interval_ms: int | None = strawberry.field(
        default=0,
        description="Send at most one payload per so many milliseconds; 0 sends at once. 0 to 60,000.",
    )
    max_batch: int | None = strawberry.field(default=100, description="At most so many records a payload.")
    conflate: bool | None = strawberry.field(
        default=False,
        description="Merge records of one key inside an interval: the newest price, summed volume and counts.",
    )
    overflow: OverflowPolicy | None = strawberry.field(
        default=OverflowPolicy.DISCONNECT, description="What to do when the consumer falls behind."
    )
    heartbeat_ms: int | None = strawberry.field(
        default=15_000,
        description="Heartbeat payload after so many quiet milliseconds, so that a quiet market is not taken for a "
        "dead socket.",
    )
