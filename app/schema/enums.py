"""Enums of the SDL: the domain's own where there is one, described for clients."""

from collections.abc import Mapping
from enum import Enum

import strawberry

from app.domain.candles import Interval
from app.domain.programs import Commitment, Protocol, Side, Stage, TradeProgram
from app.domain.streams import OverflowPolicy, StreamPhase


def _describe(cls: type[Enum], name: str, description: str, values: Mapping[str, str]) -> None:
    """Registers a domain enum as GraphQL `name`: the domain need not know what clients are told."""
    strawberry.enum(cls, name=name, description=description)
    definition = cls.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = values[value.name]


_describe(
    Interval,
    "ChartInterval",
    "Width of a candle: the usual 1m, 5m, 15m, 1h and 24h are M1, M5, M15, H1 and D1.",
    {
        "S1": "1 second (kept 24 hours).",
        "S5": "5 seconds (kept 24 hours).",
        "S15": "15 seconds (kept 24 hours).",
        "S30": "30 seconds (kept 24 hours).",
        "M1": "1 minute.",
        "M5": "5 minutes.",
        "M15": "15 minutes.",
        "M30": "30 minutes.",
        "H1": "1 hour.",
        "H4": "4 hours.",
        "H12": "12 hours.",
        "D1": "1 day (24h), cut at 00:00 UTC.",
        "W1": "1 week, cut on Monday 00:00 UTC.",
    },
)
_describe(
    Side,
    "TradeSide",
    "Which way a trade went, from the launched token's view.",
    {"BUY": "Quote in, token out.", "SELL": "Token in, quote out."},
)
_describe(
    TradeProgram,
    "TradeProgram",
    "Kind of venue a trade ran on (before or after graduation).",
    {"BONDING_CURVE": "Bonding curve, before graduation.", "AMM_POOL": "AMM pool, after graduation."},
)
_describe(
    Protocol,
    "Protocol",
    "On-chain program behind a venue.",
    {
        "PUMP_FUN": "pump.fun bonding curve.",
        "PUMP_FUN_MAYHEM": "pump.fun curve in mayhem mode.",
        "PUMP_SWAP": "PumpSwap AMM.",
        "METEORA_DBC": "Meteora dynamic bonding curve.",
        "METEORA_DAMM_V1": "Meteora DAMM v1.",
        "METEORA_DAMM_V2": "Meteora DAMM v2.",
        "RAYDIUM_AMM": "Raydium AMM: where pump.fun graduated to before 2025-03-20.",
    },
)
_describe(
    Stage,
    "LifecycleStage",
    "Stage in the life of a launched token.",
    {
        "BONDING": "Trading on the curve.",
        "COMPLETED": "Curve full, liquidity not yet moved.",
        "GRADUATED": "Trading on an AMM.",
    },
)
_describe(
    Commitment,
    "Commitment",
    "How certain a record is. A stream emits a record at most once per increasing level.",
    {
        "PROCESSED": "Seen in a processed block; may be rolled back.",
        "CONFIRMED": "Voted by a supermajority.",
        "FINALIZED": "Rooted; cannot change.",
    },
)
_describe(
    OverflowPolicy,
    "OverflowPolicy",
    "What a stream does with a consumer that falls behind.",
    {
        "DISCONNECT": "End the stream with an error that carries the cursor to resume from. No loss.",
        "CONFLATE": "Keep only the newest record of each key, and count what was merged.",
        "DROP_OLDEST": "Drop the oldest records, and report the gap in-band.",
    },
)
_describe(
    StreamPhase,
    "StreamPhase",
    "Where a stream is, seen from its start.",
    {
        "BACKFILL": "Replaying stored records after the start cursor.",
        "LIVE": "Delivering as records are indexed.",
    },
)


@strawberry.enum(description="Kind of lifecycle record.")
class LaunchpadEventType(Enum):
    CREATED = strawberry.enum_value("CREATED", description="Mint created on a launchpad.")
    METADATA_RESOLVED = strawberry.enum_value("METADATA_RESOLVED", description="Name, symbol, image or links resolved.")
    CURVE_PROGRESS = strawberry.enum_value("CURVE_PROGRESS", description="Curve progress passed a whole per cent.")
    COMPLETED = strawberry.enum_value("COMPLETED", description="Curve full.")
    GRADUATED = strawberry.enum_value("GRADUATED", description="Liquidity moved to an AMM.")
    ROLLED_BACK = strawberry.enum_value("ROLLED_BACK", description="Record withdrawn after a fork.")


@strawberry.enum(description="Rolling window of statistics.")
class StatsWindow(Enum):
    """The value is the window's length in seconds."""

    M1 = strawberry.enum_value(60, description="1 minute.")
    M5 = strawberry.enum_value(300, description="5 minutes.")
    M15 = strawberry.enum_value(900, description="15 minutes.")
    M30 = strawberry.enum_value(1_800, description="30 minutes.")
    H1 = strawberry.enum_value(3_600, description="1 hour.")
    H4 = strawberry.enum_value(14_400, description="4 hours.")
    H6 = strawberry.enum_value(21_600, description="6 hours.")
    H12 = strawberry.enum_value(43_200, description="12 hours.")
    H24 = strawberry.enum_value(86_400, description="24 hours.")

    @property
    def seconds(self) -> int:
        return int(self.value)


@strawberry.enum(description="Sort direction.")
class SortDirection(Enum):
    ASC = strawberry.enum_value("ASC", description="Smallest first.")
    DESC = strawberry.enum_value("DESC", description="Largest first.")


@strawberry.enum(description="What to sort tokens by.")
class TokenOrderField(Enum):
    CREATED_AT = strawberry.enum_value("CREATED_AT", description="Launch time.")
    GRADUATED_AT = strawberry.enum_value("GRADUATED_AT", description="Graduation time.")
    LAST_TRADE_AT = strawberry.enum_value("LAST_TRADE_AT", description="Time of the last trade.")
    MARKET_CAP = strawberry.enum_value("MARKET_CAP", description="Market cap in USD.")
    LIQUIDITY = strawberry.enum_value("LIQUIDITY", description="Liquidity in USD.")
    PRICE = strawberry.enum_value("PRICE", description="Price in USD.")
    VOLUME = strawberry.enum_value("VOLUME", description="Traded volume in the chosen window.")
    TRADE_COUNT = strawberry.enum_value("TRADE_COUNT", description="Number of trades in the chosen window.")
    CURVE_PROGRESS = strawberry.enum_value("CURVE_PROGRESS", description="Curve progress, 0 to 1.")


@strawberry.enum(description="What to sort trades by.")
class TradeOrderField(Enum):
    CHAIN = strawberry.enum_value("CHAIN", description="Chain order: slot, transaction, instruction.")
    VOLUME_USD = strawberry.enum_value("VOLUME_USD", description="USD value.")


@strawberry.enum(description="How to fill candle slots in which nothing traded.")
class CandleFill(Enum):
    NONE = strawberry.enum_value("NONE", description="Leave the slot out.")
    PREVIOUS_CLOSE = strawberry.enum_value("PREVIOUS_CLOSE", description="Repeat the last close with zero volume.")


@strawberry.enum(description="Unit of candle prices.")
class ChartUnit(Enum):
    USD = strawberry.enum_value("USD", description="US dollars.")
    QUOTE = strawberry.enum_value("QUOTE", description="Quote token, usually SOL.")
    MARKET_CAP_USD = strawberry.enum_value("MARKET_CAP_USD", description="Market cap in US dollars.")
