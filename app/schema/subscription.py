"""The root type Subscription. Each resolver runs once, when a subscription is opened: it checks the arguments and
returns the plan that `app.fanout` feeds it by."""

from collections.abc import AsyncGenerator
from typing import Annotated, Any, Final

import strawberry
from strawberry import UNSET

from app.domain.candles import Interval
from app.domain.programs import Commitment, TradeProgram
from app.domain.streams import OverflowPolicy
from app.errors import InvalidInput
from app.live.keys import TokenState
from app.live.routing import Condition
from app.schema.arguments import check_address
from app.schema.candle_stream import CandleStreamPayload, candle_stream_plan
from app.schema.context import Context, Info
from app.schema.enums import CandleFill, ChartUnit, LaunchpadEventType
from app.schema.graduations import GraduationEvent
from app.schema.inputs import StreamDelivery, StreamStart, StringFilter, TokenFilter, TradeFilter
from app.schema.launchpad_stream import LaunchpadStreamPayload, launchpad_stream_plan
from app.schema.lifecycle import Chosen
from app.schema.packing import OneByOne
from app.schema.plans import Options, Plan
from app.schema.price_stream import PriceStreamPayload, price_stream_plan
from app.schema.sources import after_cursor, graduations_of, launches_of, one_by_one, trades_of
from app.schema.streams import MAX_INTERVAL_MS
from app.schema.tokens import Token
from app.schema.touched_candles import ChartSpec
from app.schema.trade_stream import TradeStreamPayload, trade_stream_plan
from app.schema.trades import Trade
from app.store.feed import read_token_state

_DEFAULT_INTERVAL_MS: Final = 100

# What the resolvers return is a `Plan`, hence the ignores: from the annotation Strawberry reads the GraphQL type.


def _about(description: str) -> Any:
    return strawberry.argument(description=description)


_Mint = Annotated[str, _about("Mint address.")]


async def _trades(
    info: Info,
    mint_address: _Mint,
    filter: Annotated[TradeFilter | None, _about("Further conditions.")] = UNSET,
    after: Annotated[
        str | None,
        _about("Resume strictly after this `Trade.cursor`: stored trades first, then live, without gap or duplicate."),
    ] = UNSET,
    commitment: Annotated[Commitment | None, _about("Least certainty; CONFIRMED unless given.")] = Commitment.CONFIRMED,
) -> AsyncGenerator[Trade, None]:
    mint = check_address(mint_address, "mintAddress")
    of_mint = TradeFilter(mint_address=StringFilter(eq=mint), and_=[filter] if filter else UNSET)
    source = trades_of(info.context, of_mint)
    return one_by_one(info.context, source, commitment, await after_cursor(info.context, after))  # type: ignore[return-value]


async def _token_update(
    info: Info,
    mint_address: _Mint,
    interval_ms: Annotated[
        int | None,
        _about("Send at most one update per so many milliseconds, always the newest; 0 sends every change."),
    ] = _DEFAULT_INTERVAL_MS,
    snapshot: Annotated[bool | None, _about("Whether to send the current value at once.")] = True,
) -> AsyncGenerator[Token, None]:
    mint = check_address(mint_address, "mintAddress")
    return _update_plan(info.context, mint, _interval_seconds(interval_ms), snapshot is not False)  # type: ignore[return-value]


async def _new_tokens(
    info: Info,
    filter: Annotated[TokenFilter | None, _about("Further conditions.")] = UNSET,
    after: Annotated[
        str | None, _about("Resume strictly after this cursor, as given in the payload's `extensions.cursor`.")
    ] = UNSET,
    commitment: Annotated[Commitment | None, _about("Least certainty; PROCESSED is earliest.")] = Commitment.CONFIRMED,
) -> AsyncGenerator[Token, None]:
    source = launches_of(info.context, filter or None)
    return one_by_one(info.context, source, commitment, await after_cursor(info.context, after))  # type: ignore[return-value]


async def _graduations(
    info: Info,
    filter: Annotated[TokenFilter | None, _about("Further conditions on the token.")] = UNSET,
    after: Annotated[str | None, _about("Resume strictly after this `GraduationEvent.cursor`.")] = UNSET,
    commitment: Annotated[Commitment | None, _about("Least certainty.")] = Commitment.CONFIRMED,
) -> AsyncGenerator[GraduationEvent, None]:
    source = graduations_of(info.context, filter or None)
    return one_by_one(info.context, source, commitment, await after_cursor(info.context, after))  # type: ignore[return-value]


async def _trade_stream(
    info: Info,
    filter: TradeFilter | None = UNSET,
    start: StreamStart | None = UNSET,
    delivery: StreamDelivery | None = UNSET,
    commitment: Commitment | None = Commitment.CONFIRMED,
) -> AsyncGenerator[TradeStreamPayload, None]:
    return await trade_stream_plan(info.context, filter or None, start or None, delivery or None, commitment)  # type: ignore[return-value]


async def _launchpad_stream(
    info: Info,
    types: list[LaunchpadEventType] | None = UNSET,
    filter: TokenFilter | None = UNSET,
    start: StreamStart | None = UNSET,
    delivery: StreamDelivery | None = UNSET,
    commitment: Commitment | None = Commitment.CONFIRMED,
) -> AsyncGenerator[LaunchpadStreamPayload, None]:
    chosen = Chosen.of(types if isinstance(types, list) else None, filter or None)
    return await launchpad_stream_plan(info.context, chosen, start or None, delivery or None, commitment)  # type: ignore[return-value]


async def _price_stream(
    info: Info, mint_addresses: list[str], delivery: StreamDelivery | None = UNSET
) -> AsyncGenerator[PriceStreamPayload, None]:
    return price_stream_plan(info.context, mint_addresses, delivery or None)  # type: ignore[return-value]


async def _candle_stream(
    info: Info,
    mint_address: str,
    interval: Interval,
    countback: int | None = 300,
    fill: CandleFill | None = CandleFill.NONE,
    unit: ChartUnit | None = ChartUnit.USD,
    program: TradeProgram | None = UNSET,
    start: StreamStart | None = UNSET,
    delivery: StreamDelivery | None = UNSET,
) -> AsyncGenerator[CandleStreamPayload, None]:
    spec = ChartSpec(
        check_address(mint_address, "mintAddress"),
        interval,
        program or None,
        unit or ChartUnit.USD,
        fill or CandleFill.NONE,
    )
    return await candle_stream_plan(info.context, spec, countback, start or None, delivery or None)  # type: ignore[return-value]


@strawberry.type(
    description="Pushes. Every field may be opened over graphql-transport-ws, SSE and multipart HTTP; "
    "every field resumes by cursor."
)
class Subscription:
    """The resolvers run once, when the subscription is opened: wrong arguments are refused then."""

    trades = strawberry.subscription(resolver=_trades, description="Real-time trade updates of one token.")
    token_update = strawberry.subscription(
        resolver=_token_update,
        description="Token updates (price, volume, etc): the current value at once, then every change.",
    )
    new_tokens = strawberry.subscription(resolver=_new_tokens, description="New token launches.")
    graduations = strawberry.subscription(resolver=_graduations, description="Graduation events.")
    trade_stream = strawberry.subscription(
        resolver=_trade_stream,
        description="Trades that a filter selects, across tokens, from any stored point to live in one stream.",
    )
    launchpad_stream = strawberry.subscription(
        resolver=_launchpad_stream, description="Lifecycle records that a filter selects."
    )
    candle_stream = strawberry.subscription(
        resolver=_candle_stream, description="History of one chart, then its changes."
    )
    price_stream = strawberry.subscription(
        resolver=_price_stream,
        description="Prices of many tokens, the newest of each per interval; at most 500 mints.",
    )


def _update_plan(context: Context, mint: str, interval_seconds: float, snapshot: bool) -> Plan[TokenState]:
    """States of one token: where several wait, the newest."""

    async def opening() -> tuple[int, list[TokenState]]:
        state = TokenState(*await read_token_state(context.engine, mint))
        return state.sequence, [state] if state.token is not None else []

    return Plan(
        commitment=Commitment.PROCESSED,
        router=lambda _feed: context.hub.states,
        condition=Condition(keys=frozenset((("mint", mint),))),
        packing=OneByOne(lambda state: state.sequence, lambda _state: None, lambda state: state.token),
        sequence_of=lambda state: state.sequence,
        cursor_at=lambda _sequence: None,
        key_of=lambda _state: mint,
        merge=(lambda _older, newer: newer) if interval_seconds else None,
        opening=opening if snapshot else None,
        options=Options(
            interval_seconds=interval_seconds,
            overflow=OverflowPolicy.CONFLATE if interval_seconds else OverflowPolicy.DISCONNECT,
        ),
    )


def _interval_seconds(interval_ms: int | None) -> float:
    milliseconds = _DEFAULT_INTERVAL_MS if interval_ms is None else interval_ms
    if not 0 <= milliseconds <= MAX_INTERVAL_MS:
        raise InvalidInput(f"`intervalMs` must be 0 to {MAX_INTERVAL_MS:,}.")
    return milliseconds / 1_000
