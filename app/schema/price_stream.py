"""`priceStream`: the prices of many tokens at once, then the newest of each as they change."""

from collections.abc import Sequence
from functools import partial

import strawberry

from app.domain.programs import Commitment
from app.domain.records import TokenRecord, Withdrawn
from app.domain.valuation import market_cap
from app.errors import InvalidInput
from app.live.keys import TokenState
from app.live.routing import MINT, Condition
from app.schema.arguments import check_address, check_count
from app.schema.chain import Price, price_of
from app.schema.context import Context, Info
from app.schema.enums import StatsWindow
from app.schema.inputs import StreamDelivery
from app.schema.packing import Packed, PayloadView, head_of
from app.schema.plans import Circumstances, Plan
from app.schema.sources import cursor_at
from app.schema.statistics import change
from app.schema.streams import PayloadFields, is_conflated, options_of
from app.schema.views import PriceView
from app.store.feed import read_token_states

_MAX_MINTS = 500
_DAY = StatsWindow.H24.seconds


class PricesView(PayloadView, frozen=True, kw_only=True):
    """Tokens whose price may have changed."""

    prices: Sequence[TokenRecord]


async def _price(token: strawberry.Parent[TokenRecord], info: Info) -> PriceView:
    return await price_of(token, info.context)


async def _market_cap(token: strawberry.Parent[TokenRecord], info: Info) -> float | None:
    value = market_cap(token, await info.context.loaders.rates())
    return None if value is None else float(value)


async def _price_change(token: strawberry.Parent[TokenRecord], info: Info) -> float | None:
    past = await info.context.loaders.past_price.load((token.token_id, _DAY))
    return change(token.price, past.quote if past is not None else None)


async def _volume(token: strawberry.Parent[TokenRecord], info: Info) -> float:
    return float(await info.context.loaders.volume.load((token.token_id, _DAY)) or 0)


@strawberry.type(description="Price of a token.")
class TokenPrice:
    mint: str = strawberry.field(name="mintAddress", description="Mint address.")
    price = strawberry.field(resolver=_price, graphql_type=Price, description="Price.")
    market_cap = strawberry.field(resolver=_market_cap, description="Market cap in USD.")
    price_change_24h = strawberry.field(
        resolver=_price_change, name="priceChange24h", description="Relative change over 24 hours in per cent."
    )
    volume_24h = strawberry.field(resolver=_volume, name="volume24h", description="Volume of the last 24 hours in USD.")


@strawberry.type(description="Prices that changed.")
class PriceStreamPayload(PayloadFields):
    prices: list[TokenPrice] = strawberry.field(description="Changed prices.")


class PackedPrices(Packed[TokenState]):
    """Payloads of `priceStream`."""

    def __init__(self, context: Context, max_batch: int) -> None:
        super().__init__(lambda state: state.sequence, lambda state: cursor_at(context, state.sequence), max_batch)

    def view(
        self, records: Sequence[TokenState], gone: Sequence[Withdrawn], cursor: str, told: Circumstances
    ) -> PayloadView:
        tokens = [state.token for state in records if state.token is not None]
        return PricesView(cursor=cursor, phase=told.phase, gap=told.gap, head=head_of(told), prices=tokens)


def price_stream_plan(context: Context, mints: Sequence[str], delivery: StreamDelivery | None) -> Plan[TokenState]:
    """Raises InvalidInput, PageTooLarge. A token that nothing prices yet comes with its first price."""
    check_count(mints, "mintAddresses", _MAX_MINTS)
    if not mints:
        raise InvalidInput("`mintAddresses` is empty: name the tokens whose prices you want.")
    wanted = frozenset(check_address(mint, "mintAddresses") for mint in mints)
    options = options_of(delivery)
    is_conflated(delivery)  # what it asks for is so by nature; asked for without an interval it is refused

    async def opening() -> tuple[int, list[TokenState]]:
        sequence, tokens = await read_token_states(context.engine, sorted(wanted))
        states = [TokenState(sequence, tokens[mint]) for mint in dict.fromkeys(mints) if mint in tokens]
        return sequence, [state for state in states if _is_priced(state)]

    return Plan(
        commitment=Commitment.PROCESSED,
        router=lambda _feed: context.hub.states,
        condition=Condition(
            keys=frozenset((MINT, mint) for mint in wanted), holds=lambda state, _moment: _is_priced(state)
        ),
        packing=PackedPrices(context, options.max_batch),
        sequence_of=lambda state: state.sequence,
        cursor_at=partial(cursor_at, context),
        key_of=lambda state: state.token.mint if state.token is not None else None,
        merge=lambda _older, newer: newer,
        opening=opening,
        options=options,
    )


def _is_priced(state: TokenState) -> bool:
    return state.token is not None and state.token.price is not None
