"""What filters mean in SQL. `app.schema.conditions` is the same of live records; a test holds them equal.

A comparison with an unknown value does not hold, so that its `not` does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Numeric,
    Select,
    and_,
    any_,
    case,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)

from app.domain.programs import Protocol, Stage, TradeProgram
from app.schema.inputs import DateTimeFilter, FloatFilter, StringFilter, TokenFilter, TradeFilter
from app.schema.terms import addresses, check_size, comparisons, times
from app.store.keys import among
from app.store.measures import (
    token_liquidity,
    token_market_cap,
    token_price_usd,
    token_progress,
    trade_liquidity,
    trade_market_cap,
    trade_price_usd,
    trade_progress,
    trade_quote,
    trade_spot_usd,
    trade_volume_usd,
)
from app.store.rows import to_time
from app.store.tables import token_traders, tokens, trades, venues, wallets

Clause = ColumnElement[bool]
Column = ColumnElement[Any]
Rates = Mapping[str, Decimal]
AnyFilter = TypeVar("AnyFilter", TokenFilter, TradeFilter)


@dataclass(frozen=True, slots=True)
class _TokenTerms:
    """What the words of a TokenFilter stand for; measures are made when they are asked for."""

    mint: Callable[[StringFilter | None], list[Clause]]
    creator: Callable[[StringFilter | None], list[Clause]]
    protocol: Callable[[Sequence[Protocol]], Clause]
    stage: Callable[[], Column]
    last_trade_at: Column
    price_usd: Callable[[], Column]
    market_cap: Callable[[], Column]
    liquidity: Callable[[], Column]
    progress: Callable[[], Column]
    ago: Callable[[int], Any]
    """The time so many seconds ago."""


def token_clause(chosen: TokenFilter | None, head_time: int, rates: Rates) -> Clause | None:
    """The condition on a row of `tokens`; None where everything is selected.

    Raises InvalidInput where the filter is too large, or names what cannot be an address.
    """
    check_size(chosen)
    terms = _TokenTerms(
        mint=lambda asked: _addresses(asked, tokens.c.mint, "mintAddress"),
        creator=lambda asked: _addresses(asked, tokens.c.creator, "creatorAddress"),
        protocol=_has_venue_of,
        stage=lambda: tokens.c.stage,
        last_trade_at=tokens.c.last_trade_at,
        price_usd=lambda: token_price_usd(rates),
        market_cap=lambda: token_market_cap(rates),
        liquidity=lambda: token_liquidity(rates),
        progress=token_progress,
        ago=partial(_ago, head_time),
    )
    return _token_clause(chosen, terms)


def trade_clause(chosen: TradeFilter | None, head_time: int) -> Clause | None:
    """The condition on a row of `app.store.trades.select_trades`; None where everything is selected.

    Raises InvalidInput where the filter is too large, or names what cannot be an address.
    """
    check_size(chosen)
    return _trade_clause(chosen, partial(_ago, head_time))


def _token_clause(chosen: TokenFilter | None, terms: _TokenTerms) -> Clause | None:
    if not chosen:
        return None
    clauses = _joined(chosen, lambda branch: _token_clause(branch, terms))
    clauses += terms.mint(chosen.mint_address)
    clauses += terms.creator(chosen.creator_address)
    clauses += _addresses(chosen.quote_mint, tokens.c.quote_mint, "quoteMint")
    clauses += [terms.protocol(chosen.protocol)] if isinstance(chosen.protocol, list) else []
    clauses += [among(terms.stage(), chosen.stage)] if isinstance(chosen.stage, list) else []
    clauses += _time(chosen.created_at, tokens.c.created_at, terms.ago)
    clauses += _time(chosen.last_trade_at, terms.last_trade_at, terms.ago)
    for number, measure in (
        (chosen.price_usd, terms.price_usd),
        (chosen.market_cap, terms.market_cap),
        (chosen.liquidity, terms.liquidity),
        (chosen.curve_progress, terms.progress),
    ):
        clauses += _number(number, measure)
    return and_(*clauses) if clauses else None


def _trade_clause(chosen: TradeFilter | None, ago: Callable[[int], Any]) -> Clause | None:
    if not chosen:
        return None
    clauses = _joined(chosen, lambda branch: _trade_clause(branch, ago))
    clauses += _of_mint(chosen.mint_address)
    clauses += _ids(chosen.trader_address, trades.c.trader_id, (wallets.c.id, wallets.c.address), "traderAddress")
    clauses += _of_creator(chosen.creator_address)
    clauses += [among(trades.c.protocol, chosen.protocol)] if isinstance(chosen.protocol, list) else []
    clauses += [venues.c.kind == chosen.program] if chosen.program else []
    clauses += [trades.c.side == chosen.side] if chosen.side else []
    clauses += _number(chosen.volume_usd, trade_volume_usd)
    clauses += _number(chosen.quote_amount, trade_quote)
    clauses += _number(chosen.price_usd, trade_price_usd)
    clauses += _time(chosen.block_time, trades.c.block_time, ago)
    clauses += [token_traders.c.first_identity == trades.c.identity] if chosen.first_trade_only else []
    of_token = _token_clause(chosen.token, _at_the_trade()) if chosen.token else None
    return and_(*clauses, *([] if of_token is None else [of_token])) if clauses or of_token is not None else None


def _at_the_trade() -> _TokenTerms:
    """A token as the row of a trade knows it, and by what never changes of it: judged today or when the trade was
    live, it is the same. Ages are those at the trade; the depth is that of the venue it ran on."""
    return _TokenTerms(
        mint=_of_mint,
        creator=_of_creator,
        protocol=lambda protocols: or_(among(tokens.c.protocol, protocols), among(trades.c.protocol, protocols)),
        stage=_stage_after,
        last_trade_at=trades.c.block_time,
        price_usd=trade_spot_usd,
        market_cap=trade_market_cap,
        liquidity=trade_liquidity,
        progress=trade_progress,
        ago=lambda seconds: trades.c.block_time - timedelta(seconds=seconds),
    )


def _stage_after() -> Column:
    kinds = (
        (venues.c.kind == TradeProgram.AMM_POOL, literal(int(Stage.GRADUATED), tokens.c.stage.type)),
        (trade_progress() >= 1, literal(int(Stage.COMPLETED), tokens.c.stage.type)),
    )
    return case(*kinds, else_=literal(int(Stage.BONDING), tokens.c.stage.type))


def _joined(chosen: AnyFilter, clause: Callable[[AnyFilter], Clause | None]) -> list[Clause]:
    """The clauses of `and`, `or` and `not`."""
    clauses = [each for branch in chosen.and_ or () if (each := clause(branch)) is not None]
    if isinstance(chosen.or_, list):
        choices = [clause(branch) for branch in chosen.or_]
        clauses.append(or_(false(), *(true() if each is None else each for each in choices)))
    if chosen.not_:
        inner = clause(chosen.not_)
        clauses.append(not_(func.coalesce(true() if inner is None else inner, False)))
    return clauses


def _addresses(chosen: StringFilter | None, column: Column, name: str) -> list[Clause]:
    if (asked := addresses(chosen, name)) is None:
        return []
    clauses: list[Clause] = []
    if asked.equals is not None:
        clauses.append(column == asked.equals)
    if asked.included is not None:
        clauses.append(among(column, asked.included))
    if asked.excluded is not None:
        clauses.append(func.coalesce(not_(among(column, asked.excluded)), True))
    return clauses


def _of_mint(chosen: StringFilter | None) -> list[Clause]:
    return _ids(chosen, trades.c.token_id, (tokens.c.id, tokens.c.mint), "mintAddress")


def _of_creator(chosen: StringFilter | None) -> list[Clause]:
    return _ids(chosen, trades.c.token_id, (tokens.c.id, tokens.c.creator), "creatorAddress")


def _ids(chosen: StringFilter | None, number: Column, named: tuple[Column, Column], name: str) -> list[Clause]:
    """As `_addresses`, but on the trade's own number, found first: the planner then seeks in the index of it."""
    if (asked := addresses(chosen, name)) is None:
        return []
    key, text = named
    clauses: list[Clause] = []
    if asked.equals is not None:
        found = select(key).where(text == asked.equals)
        # A creator has many tokens. A mint or wallet has one number: compared with one, the index gives the order too.
        is_one = text is not tokens.c.creator
        clauses.append(number == found.correlate(None).scalar_subquery() if is_one else _among_found(number, found))
    if asked.included is not None:
        clauses.append(_among_found(number, select(key).where(among(text, asked.included))))
    if asked.excluded is not None:
        clauses.append(not_(_among_found(number, select(key).where(among(text, asked.excluded)))))
    return clauses


def _among_found(number: Column, found: Select[Any]) -> Clause:
    return number == any_(func.array(found.correlate(None).scalar_subquery()))


def _time(chosen: DateTimeFilter | None, column: Column, ago: Callable[[int], Any]) -> list[Clause]:
    if (asked := times(chosen)) is None:
        return []
    clauses: list[Clause] = []
    if asked.first is not None:
        clauses.append(column >= asked.first)
    if asked.end is not None:
        clauses.append(column < asked.end)
    if asked.within is not None:
        clauses.append(column >= ago(asked.within))
    return clauses


def _ago(head_time: int, seconds: int) -> Any:
    return to_time(max(head_time - seconds, 0))


def _number(chosen: FloatFilter | None, measure: Callable[[], Column]) -> list[Clause]:
    asked = comparisons(chosen)
    column = measure() if asked else None
    return [compare(column, literal(value, Numeric)) for compare, value in asked]


def _has_venue_of(protocols: Sequence[Protocol]) -> Clause:
    of_token = select(venues.c.id).where(venues.c.token_id == tokens.c.id).correlate(tokens)
    return of_token.where(among(venues.c.protocol, protocols)).exists()
