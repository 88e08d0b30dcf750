"""What filters mean of live records: the same as `app.schema.filters` in SQL, and a test holds them equal.

A comparison with an unknown value does not hold, so that its `not` does.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Generic, TypeVar

from app.domain.money import ratio_price
from app.domain.programs import Protocol, Stage
from app.domain.records import GraduationRecord, TokenRecord, TradeRecord
from app.domain.valuation import liquidity, market_cap, price_usd, progress
from app.live.keys import quote_amount, volume_usd
from app.live.moment import Moment
from app.live.routing import Condition
from app.schema.inputs import DateTimeFilter, FloatFilter, StringFilter, TokenFilter, TradeFilter
from app.schema.routes import token_keys, trade_route
from app.schema.terms import addresses, check_size, comparisons, times
from app.schema.traded import Traded

R = TypeVar("R")
Judge = Callable[[R, Moment], bool]
Rates = Callable[[Moment], Mapping[str, Decimal]]
"""US dollars per whole quote token that are fresh at a moment: `app.schema.loaders.known_rates`."""
AnyFilter = TypeVar("AnyFilter", TokenFilter, TradeFilter)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


def trade_condition(chosen: TradeFilter | None) -> Condition[TradeRecord]:
    """Live trades that a filter selects, with what of it the router can look up.

    Raises InvalidInput where the filter is too large, or names what cannot be an address.
    """
    check_size(chosen)
    if not chosen:
        return Condition()
    judges, route = _trade_judges(chosen), trade_route(chosen)
    return Condition(route.keys, route.at_least, None if route.is_whole else _all(judges))


def launch_condition(chosen: TokenFilter | None, rates: Rates) -> Condition[TokenRecord]:
    """Launches of tokens that a filter selects."""
    judge = token_judge(chosen, rates)
    return Condition(token_keys(chosen) if chosen else None, holds=judge)


def graduation_condition(chosen: TokenFilter | None, rates: Rates) -> Condition[GraduationRecord]:
    """Graduations of tokens that a filter selects, as they are after it."""
    judge = token_judge(chosen, rates)
    if judge is None:
        return Condition()

    def holds(graduation: GraduationRecord, moment: Moment) -> bool:
        token = moment.tokens.get(graduation.mint)
        return token is not None and judge(token, moment)

    return Condition(holds=holds)


def token_judge(chosen: TokenFilter | None, rates: Rates) -> Judge[TokenRecord] | None:
    """Whether a filter selects a token in its present state; None where it selects every one.

    Raises InvalidInput where the filter is too large, or names what cannot be an address.
    """
    check_size(chosen)
    terms: _TokenTerms[TokenRecord] = _TokenTerms(
        mint=lambda token, _: token.mint,
        creator=lambda token, _: token.creator,
        quote_mint=lambda token, _: token.quote_mint,
        protocols=lambda token, _: [each.protocol for each in (token.curve, *token.pools) if each is not None],
        stage=lambda token, _: token.stage,
        created_at=lambda token, _: token.created_at,
        last_trade_at=lambda token, _: token.last_trade_at,
        price_usd=lambda token, moment: price_usd(token, rates(moment)),
        market_cap=lambda token, moment: market_cap(token, rates(moment)),
        liquidity=lambda token, moment: liquidity(token, rates(moment)),
        progress=lambda token, _: None if token.curve is None else progress(token.curve),
        now=_head_time,
    )
    return _all(_token_judges(chosen, terms)) if chosen else None


@dataclass(frozen=True, slots=True)
class _TokenTerms(Generic[R]):
    """What the words of a TokenFilter stand for."""

    mint: Callable[[R, Moment], str]
    creator: Callable[[R, Moment], str | None]
    quote_mint: Callable[[R, Moment], str]
    protocols: Callable[[R, Moment], Collection[Protocol]]
    stage: Callable[[R, Moment], Stage]
    created_at: Callable[[R, Moment], int | None]
    last_trade_at: Callable[[R, Moment], int | None]
    price_usd: Callable[[R, Moment], Decimal | None]
    market_cap: Callable[[R, Moment], Decimal | None]
    liquidity: Callable[[R, Moment], Decimal | None]
    progress: Callable[[R, Moment], Decimal | None]
    now: Callable[[R, Moment], int]
    """Where ages are measured from."""


def _token_judges(chosen: TokenFilter, terms: _TokenTerms[R]) -> list[Judge[R]]:
    judges = _joined(chosen, lambda branch: _token_judges(branch, terms))
    judges += _text(chosen.mint_address, terms.mint, "mintAddress")
    judges += _text(chosen.creator_address, terms.creator, "creatorAddress")
    judges += _text(chosen.quote_mint, terms.quote_mint, "quoteMint")
    if isinstance(protocols := chosen.protocol, list):
        of_any = frozenset(protocols)
        judges.append(lambda record, moment: not of_any.isdisjoint(terms.protocols(record, moment)))
    if isinstance(stages := chosen.stage, list):
        judges.append(lambda record, moment: terms.stage(record, moment) in stages)
    judges += _time(chosen.created_at, terms.created_at, terms.now)
    judges += _time(chosen.last_trade_at, terms.last_trade_at, terms.now)
    judges += _number(chosen.price_usd, terms.price_usd)
    judges += _number(chosen.market_cap, terms.market_cap)
    judges += _number(chosen.liquidity, terms.liquidity)
    judges += _number(chosen.curve_progress, terms.progress)
    return judges


_AT_THE_TRADE: Final[_TokenTerms[TradeRecord]] = _TokenTerms(
    mint=lambda trade, _: trade.mint,
    creator=lambda trade, _: trade.creator,
    quote_mint=lambda trade, moment: Traded(trade, moment).quote_mint,
    protocols=lambda trade, moment: Traded(trade, moment).protocols,
    stage=lambda trade, moment: Traded(trade, moment).stage,
    created_at=lambda trade, moment: Traded(trade, moment).created_at,
    last_trade_at=lambda trade, _: trade.block_time,
    price_usd=lambda trade, moment: Traded(trade, moment).price_usd,
    market_cap=lambda trade, moment: Traded(trade, moment).market_cap,
    liquidity=lambda trade, moment: Traded(trade, moment).liquidity,
    progress=lambda trade, moment: Traded(trade, moment).progress,
    now=lambda trade, _: trade.block_time,
)


def _trade_judges(chosen: TradeFilter) -> list[Judge[TradeRecord]]:
    judges = _joined(chosen, _trade_judges)
    judges += _text(chosen.mint_address, lambda trade, _: trade.mint, "mintAddress")
    judges += _text(chosen.trader_address, lambda trade, _: trade.trader, "traderAddress")
    judges += _text(chosen.creator_address, lambda trade, _: trade.creator, "creatorAddress")
    if isinstance(protocols := chosen.protocol, list):
        judges.append(lambda trade, _: trade.program in protocols)
    if program := chosen.program:
        judges.append(lambda trade, _: trade.venue_kind is program)
    if side := chosen.side:
        judges.append(lambda trade, _: trade.side is side)
    judges += _number(chosen.volume_usd, lambda trade, _: volume_usd(trade))
    judges += _number(chosen.quote_amount, lambda trade, _: quote_amount(trade))
    judges += _number(chosen.price_usd, lambda trade, _: _price_usd(trade))
    judges += _time(chosen.block_time, lambda trade, _: trade.block_time, _head_time)
    if chosen.first_trade_only:
        judges.append(lambda trade, _: trade.is_first_trade)
    if chosen.token:
        judges += _token_judges(chosen.token, _AT_THE_TRADE)
    return judges


def _joined(chosen: AnyFilter, judges_of: Callable[[AnyFilter], list[Judge[R]]]) -> list[Judge[R]]:
    """Those of `and`, `or` and `not`."""
    judges = [judge for branch in chosen.and_ or () for judge in judges_of(branch)]
    if isinstance(chosen.or_, list):
        judges.append(_any([_all(judges_of(branch)) for branch in chosen.or_]))
    if chosen.not_:
        inner = _all(judges_of(chosen.not_))
        judges.append(lambda record, moment: not inner(record, moment))
    return judges


def _all(judges: Sequence[Judge[R]]) -> Judge[R]:
    if len(judges) == 1:
        return judges[0]
    return lambda record, moment: all(judge(record, moment) for judge in judges)


def _any(judges: Sequence[Judge[R]]) -> Judge[R]:
    return lambda record, moment: any(judge(record, moment) for judge in judges)


def _text(chosen: StringFilter | None, value_of: Callable[[R, Moment], str | None], name: str) -> list[Judge[R]]:
    if (asked := addresses(chosen, name)) is None:
        return []
    judges: list[Judge[R]] = []
    if (equals := asked.equals) is not None:
        judges.append(lambda record, moment: value_of(record, moment) == equals)
    if asked.included is not None:
        included = frozenset(asked.included)
        judges.append(lambda record, moment: value_of(record, moment) in included)
    if asked.excluded is not None:
        excluded = frozenset(asked.excluded)
        judges.append(lambda record, moment: value_of(record, moment) not in excluded)
    return judges


def _number(chosen: FloatFilter | None, value_of: Callable[[R, Moment], Decimal | None]) -> list[Judge[R]]:
    asked = comparisons(chosen)

    def holds(record: R, moment: Moment) -> bool:
        value = value_of(record, moment)
        return value is not None and all(compare(value, limit) for compare, limit in asked)

    return [holds] if asked else []


def _time(
    chosen: DateTimeFilter | None, value_of: Callable[[R, Moment], int | None], now: Callable[[R, Moment], int]
) -> list[Judge[R]]:
    if (asked := times(chosen)) is None:
        return []
    first, end, within = _whole_second(asked.first), _whole_second(asked.end), asked.within

    def holds(record: R, moment: Moment) -> bool:
        value = value_of(record, moment)
        if value is None or (first is not None and value < first) or (end is not None and value >= end):
            return False
        return within is None or value >= max(now(record, moment) - within, 0)

    return [] if first is end is within is None else [holds]


def _whole_second(time: datetime | None) -> int | None:
    """The first whole second at or after a time."""
    return None if time is None else -((_EPOCH - time) // _SECOND)


def _head_time(_: Any, moment: Moment) -> int:
    return 0 if moment.head is None else moment.head.point.time


def _price_usd(trade: TradeRecord) -> Decimal | None:
    """Price paid; unknown of a swap of no token at all."""
    paid = ratio_price(trade.quote_amount, trade.base_amount, trade.quote_decimals, trade.base_decimals)
    return None if paid is None or trade.quote_usd is None else paid * trade.quote_usd
