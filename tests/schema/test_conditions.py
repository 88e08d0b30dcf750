"""A filter selects the same records live as it does in the store: whatever it says, and whatever the records lack."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import pytest
from asking import Asked
from factories import T0, address, completion, launch, market, migration, pool_trade, trade
from live.noting import Noting
from sqlalchemy import select
from strawberry import UNSET

from app.domain.events import Event, Trade
from app.domain.programs import USDC, WSOL, Protocol, Side, Stage, TradeProgram
from app.domain.records import Batch, GraduationRecord, TokenRecord, TradeRecord
from app.errors import InvalidInput
from app.live.keys import graduation_router, launch_router, trade_router
from app.live.moment import Moment
from app.live.routing import Condition
from app.schema.conditions import graduation_condition, launch_condition, token_judge, trade_condition
from app.schema.filters import token_clause, trade_clause
from app.schema.inputs import DateTimeFilter, FloatFilter, StringFilter, TokenFilter, TradeFilter
from app.schema.traded import Traded
from app.store.feed import read_batch
from app.store.graduations import select_graduations
from app.store.tables import tokens
from app.store.trades import select_trades

T = TypeVar("T")
FILTERS = 250
DBC = {"program": Protocol.METEORA_DBC, "mint": address("dbc"), "venue": address("dbc pool"), "quote_mint": USDC}
STRANGE: list[Event] = [
    launch(mint=address("odd"), total_supply=None, creator=address("creator of odd")),
    *(trade(mint=address("odd"), block_time=T0 + n, real_base_reserves=None, real_quote_reserves=None) for n in (1, 2)),
    trade(mint=address("odd"), block_time=T0 + 3, virtual_base_reserves=None, virtual_quote_reserves=None),
    trade(mint=address("odd"), block_time=T0 + 4, base_amount=0, real_base_reserves=0),
    *(
        trade(
            **DBC,
            quote_decimals=6,
            block_time=T0 + 900 + n,
            virtual_base_reserves=None,
            virtual_quote_reserves=None,
            real_quote_reserves=raised,
            sqrt_price=10**18 + n,
            migration_threshold=10**9,
        )
        for n, raised in enumerate((0, 3 * 10**8, 10**9, None))
    ),
    completion(mint=address("odd"), block_time=T0 + 5),
    migration(mint=address("odd"), block_time=T0 + 6),
    pool_trade(mint=address("odd"), block_time=T0 + 7, real_base_reserves=None),
]


class World:
    """Everything that is stored, as one step of the feed."""

    def __init__(self, asked: Asked, batch: Batch, moment: Moment) -> None:
        self.engine = asked.engine
        self.trades = batch.trades
        self.graduations = batch.graduations
        self.moment = moment
        self.rates = {WSOL: Decimal(150)}

    @property
    def head_time(self) -> int:
        assert self.moment.head is not None
        return self.moment.head.point.time


@pytest.fixture
async def stored(store: Asked) -> World:
    story = [_priced(event) for event, _ in market(3, 170)]
    await store.write([*story, *STRANGE], [])
    batch = await read_batch(store.engine, 0)
    assert batch is not None
    moment = Moment(batch.last_sequence, batch.head, {}, {token.mint: token for token in batch.tokens})
    return World(store, batch, moment)


class Filters:
    """Random filters whose values are met in the store, so that comparisons fall on their bounds too."""

    def __init__(self, dice: random.Random, world: World) -> None:
        self._dice = dice
        self._trades = world.trades
        self._traded = [Traded(each, world.moment) for each in world.trades]
        self._tokens = list(world.moment.tokens.values())

    def trades(self, depth: int = 2) -> TradeFilter:
        number, text = self._number, self._text
        return TradeFilter(
            **self._branches(self.trades, depth),
            mint_address=self._maybe(lambda: text([each.mint for each in self._trades])),
            trader_address=self._maybe(lambda: text([each.trader for each in self._trades])),
            creator_address=self._maybe(lambda: text([each.creator for each in self._trades])),
            protocol=self._maybe(lambda: self._some(list(Protocol))),
            program=self._maybe(lambda: self._dice.choice(list(TradeProgram))),
            side=self._maybe(lambda: self._dice.choice(list(Side))),
            volume_usd=self._maybe(lambda: number([each.quote_amount * 15 / 10**8 for each in self._trades])),
            quote_amount=self._maybe(lambda: number([each.quote_amount / 10**9 for each in self._trades])),
            price_usd=self._maybe(lambda: number([each.spot_price for each in self._trades])),
            block_time=self._maybe(self._time),
            first_trade_only=self._maybe(lambda: True),
            token=self._maybe(lambda: self.tokens(depth - 1)),
        )

    def tokens(self, depth: int = 2) -> TokenFilter:
        number, text = self._number, self._text
        return TokenFilter(
            **self._branches(self.tokens, depth),
            mint_address=self._maybe(lambda: text([each.mint for each in self._tokens])),
            creator_address=self._maybe(lambda: text([each.creator for each in self._tokens])),
            protocol=self._maybe(lambda: self._some(list(Protocol))),
            quote_mint=self._maybe(lambda: text([WSOL, USDC])),
            stage=self._maybe(lambda: self._some(list(Stage))),
            created_at=self._maybe(self._time),
            last_trade_at=self._maybe(self._time),
            price_usd=self._maybe(lambda: number([each.price_usd for each in self._traded])),
            market_cap=self._maybe(lambda: number([each.market_cap for each in self._traded])),
            liquidity=self._maybe(lambda: number([each.liquidity for each in self._traded])),
            curve_progress=self._maybe(lambda: number([0, 0.25, 0.3, 1, *[each.progress for each in self._traded]])),
        )

    def _branches(self, make: Callable[[int], T], depth: int) -> dict[str, Any]:
        if depth <= 0:
            return {}
        some = [make(depth - 1) for _ in range(self._dice.randrange(3))]
        return {self._dice.choice(["and_", "or_"]): some, "not_": self._maybe(lambda: make(depth - 1))}

    def _maybe(self, make: Callable[[], T]) -> Any:
        return make() if self._dice.random() < 0.13 else self._dice.choice([UNSET, None])

    def _some(self, values: list[T]) -> list[T]:
        return self._dice.sample(values, self._dice.randrange(len(values)))

    def _text(self, values: list[Any]) -> StringFilter:
        known = [*sorted({value for value in values if value is not None}), address("nobody")]
        name = self._dice.choice(["eq", "in_", "not_in"])
        value: Any = self._dice.choice(known) if name == "eq" else self._some(known)
        return StringFilter(**{name: value})

    def _number(self, values: list[Any]) -> FloatFilter:
        known = [float(value) for value in values if value is not None]
        names = self._dice.sample(["eq", "gt", "gte", "lt", "lte"], self._dice.choice([1, 1, 2]))
        return FloatFilter(**{name: self._dice.choice(known) for name in names})

    def _time(self) -> DateTimeFilter:
        def moment() -> datetime:
            return datetime.fromtimestamp(self._dice.choice(self._trades).block_time + self._dice.choice([0, 0.5]), UTC)

        makers: dict[str, Callable[[], Any]] = {
            "gte": moment,
            "lt": moment,
            "within_seconds": lambda: self._dice.randrange(1_500),
        }
        return DateTimeFilter(**{name: makers[name]() for name in self._dice.sample(sorted(makers), 2)})


async def test_a_filter_selects_the_same_trades_live_and_stored(stored: World) -> None:
    filters, selective = Filters(random.Random("trades"), stored), 0
    async with stored.engine.connect() as connection:
        for _ in range(FILTERS):
            chosen = filters.trades()
            query, clause = select_trades(), trade_clause(chosen, stored.head_time)
            rows = await connection.execute(query if clause is None else query.where(clause))
            live = taken(trade_condition(chosen), stored.trades, stored.moment)
            assert live == {row.sequence for row in rows}, chosen
            selective += 0 < len(live) < len(stored.trades)
    assert selective > 20


async def test_a_filter_selects_the_same_tokens_live_and_stored(stored: World) -> None:
    filters, selective = Filters(random.Random("tokens"), stored), 0
    async with stored.engine.connect() as connection:
        for _ in range(FILTERS):
            chosen = filters.tokens()
            query, clause = select(tokens.c.mint), token_clause(chosen, stored.head_time, stored.rates)
            rows = await connection.execute(query if clause is None else query.where(clause))
            judge = token_judge(chosen, lambda _: stored.rates)
            everything = stored.moment.tokens.values()
            live = {token.mint for token in everything if judge is None or judge(token, stored.moment)}
            assert live == {row.mint for row in rows}, chosen
            query = select_graduations() if clause is None else select_graduations().where(clause)
            graduated = {row.mint for row in await connection.execute(query)}
            assert graduated == live & {each.mint for each in stored.graduations}
            selective += 0 < len(live) < len(everything)
    assert selective > 20


def _priced(event: Event) -> Event:
    """A pool is priced by the tokens that it holds."""
    if isinstance(event, Trade) and event.venue_kind is TradeProgram.AMM_POOL:
        return msgspec.structs.replace(event, real_base_reserves=event.virtual_base_reserves)
    return event


def taken(condition: Condition[TradeRecord], records: tuple[TradeRecord, ...], moment: Moment) -> set[int]:
    """What a router hands out, sequence by sequence."""
    subscriber, router = Noting[TradeRecord](), trade_router()
    router.join(subscriber, condition)
    router.send(records, moment)
    got = [record.sequence for record in subscriber.got]
    assert len(got) == len(set(got))
    return set(got)


async def test_launches_and_graduations_are_selected_by_their_token(stored: World) -> None:
    made = stored.moment.tokens[address("odd")]
    by_creator = TokenFilter(creator_address=StringFilter(eq=made.creator), stage=[Stage.GRADUATED])
    launches, launched = launch_router(), Noting[TokenRecord]()
    launches.join(launched, launch_condition(by_creator, lambda _: stored.rates))
    launches.send(list(stored.moment.tokens.values()), stored.moment)
    assert launched.got == [made]
    graduations, graduated = graduation_router(), Noting[GraduationRecord]()
    graduations.join(graduated, graduation_condition(by_creator, lambda _: stored.rates))
    graduations.send(stored.graduations, stored.moment)
    assert [each.mint for each in graduated.got] == [made.mint]


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (TradeFilter(or_=[TradeFilter()] * 101), "at most 100"),
        (TradeFilter(token=TokenFilter(or_=[TokenFilter()] * 99)), "at most 100"),
        (TradeFilter(token=TokenFilter(mint_address=StringFilter(in_=["x"] * 501))), "at most 500"),
        (TradeFilter(trader_address=StringFilter(eq="x")), "base58 of 32 bytes"),
        (TradeFilter(block_time=DateTimeFilter(within_seconds=-1)), "negative"),
    ],
)
def test_a_filter_is_refused_live_as_it_is_in_a_query(chosen: TradeFilter, told: str) -> None:
    for judged in (trade_condition, lambda each: trade_clause(each, 0)):
        with pytest.raises(InvalidInput, match=told):
            judged(chosen)
