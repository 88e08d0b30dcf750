"""A record reaches whom it concerns, at a cost that follows from how many they are, not from how many others."""

import random
import tracemalloc
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TypeAlias

import pytest
from factories import address
from live.noting import Noting
from live.records import NOWHERE, gone, traded

from app.domain.programs import Side
from app.domain.records import TradeRecord
from app.live.keys import CREATOR, QUOTE_AMOUNT, SIDE, TRADER, VOLUME_USD, trade_router
from app.live.moment import Moment
from app.live.routing import MINT, Condition, Key, Router

MANY = 10_000
Wanted: TypeAlias = Condition[TradeRecord]


def keys(*given: Key) -> frozenset[Key]:
    return frozenset(given)


def of_mint(name: str, holds: Callable[[TradeRecord, Moment], bool] | None = None) -> Wanted:
    return Condition(keys=keys((MINT, address(name))), holds=holds)


def joined(router: Router[TradeRecord], condition: Wanted) -> Noting[TradeRecord]:
    subscriber = Noting[TradeRecord]()
    router.join(subscriber, condition)
    return subscriber


TRADE = traded(1, "one", quote_amount=2 * 10**9, trader=address("whale"))


@pytest.mark.parametrize(
    ("condition", "is_wanted"),
    [
        (Condition(), True),
        (of_mint("one"), True),
        (of_mint("two"), False),
        (Condition(keys=frozenset()), False),
        (Condition(keys=keys((TRADER, address("whale")), (MINT, address("one")))), True),
        (Condition(keys=keys((TRADER, address("whale")), (MINT, address("two")))), True),
        (Condition(keys=keys((CREATOR, address("creator of one")))), True),
        (Condition(keys=keys((SIDE, Side.SELL.name))), False),
        (Condition(at_least=(VOLUME_USD, Decimal(300))), True),
        (Condition(at_least=(VOLUME_USD, Decimal("300.01"))), False),
        (Condition(at_least=(QUOTE_AMOUNT, Decimal(2))), True),
        (Condition(keys=keys((MINT, address("two"))), at_least=(QUOTE_AMOUNT, Decimal(2))), False),
        (Condition(keys=keys((MINT, address("one"))), at_least=(QUOTE_AMOUNT, Decimal(3))), False),
        (of_mint("one", lambda trade, _: trade.side is Side.SELL), False),
        (Condition(holds=lambda trade, _: trade.side is Side.BUY), True),
    ],
)
def test_a_subscriber_is_told_of_a_trade_that_fulfils_its_condition_once(condition: Wanted, is_wanted: bool) -> None:
    router = trade_router()
    subscriber = joined(router, condition)
    router.send([TRADE], NOWHERE)
    assert subscriber.got == ([TRADE] if is_wanted else [])


def test_a_trade_without_a_rate_reaches_no_threshold_in_dollars() -> None:
    router = trade_router()
    subscriber = joined(router, Condition(at_least=(VOLUME_USD, Decimal(0))))
    router.send([traded(1, quote_usd=None), traded(2)], NOWHERE)
    assert [trade.sequence for trade in subscriber.got] == [2]


def test_what_a_step_holds_comes_in_one_call_and_in_order() -> None:
    router = trade_router()
    subscriber = joined(router, of_mint("one"))
    router.send([traded(n, "one" if n % 2 else "two") for n in range(1, 8)], NOWHERE)
    assert [trade.sequence for trade in subscriber.got] == [1, 3, 5, 7]
    assert len(subscriber.moments) == 1


def test_among_ten_thousand_conditions_only_those_that_a_trade_may_fulfil_are_judged() -> None:
    router, judged = trade_router(), [0]

    def judge(trade: TradeRecord, _: Moment) -> bool:
        judged[0] += 1
        return True

    for number in range(MANY):
        joined(router, of_mint(f"mint {number}", judge))
        joined(router, Condition(keys=keys((TRADER, address(f"trader {number}"))), holds=judge))
        joined(router, Condition(at_least=(VOLUME_USD, Decimal(number)), holds=judge))
        joined(
            router, Condition(keys=keys((MINT, address("busy"))), at_least=(VOLUME_USD, Decimal(number)), holds=judge)
        )
    told = router.choose([traded(1, "mint 77", quote_amount=10**8)], NOWHERE)
    assert len(told) == judged[0] == 1 + 16  # of its mint; thresholds of 0 to 15 dollars
    judged[0] = 0
    assert len(router.choose([traded(1, "busy", quote_amount=10**7)], NOWHERE)) == judged[0] == 2 * 2
    assert len(router.choose([traded(1, "quiet", quote_usd=None)], NOWHERE)) == 0


def test_a_hundred_thousand_memberships_come_and_go_without_a_trace() -> None:
    router, dice = trade_router(), random.Random(5)
    staying = joined(router, of_mint("one"))
    choices: list[Callable[[int], Wanted]] = [
        lambda n: of_mint(f"mint {n % 500}"),
        lambda n: Condition(at_least=(VOLUME_USD, Decimal(n % 700))),
        lambda n: Condition(keys=keys((MINT, address(f"mint {n % 9}"))), at_least=(QUOTE_AMOUNT, Decimal(n % 50))),
        lambda n: Condition(holds=lambda _, __: False),
    ]

    def churn(times: int) -> None:
        present: list[Noting[TradeRecord]] = []
        for number in range(times):
            present.append(joined(router, choices[number % len(choices)](number)))
            if len(present) > 300:
                router.leave(present.pop(dice.randrange(len(present))))
        for subscriber in present:
            router.leave(subscriber)

    churn(2_000)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    churn(100_000)
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert len(router) == 1
    assert grown < 100_000
    router.send([traded(1, "one")], NOWHERE)
    assert len(staying.got) == 1


class Reacting(Noting[TradeRecord]):
    """Does something when it is told."""

    def __init__(self, react: Callable[[], None]) -> None:
        super().__init__()
        self._react = react

    def take(self, records: Sequence[TradeRecord], moment: Moment) -> None:
        super().take(records, moment)
        self._react()


def test_who_joins_while_a_step_is_told_gets_the_next_one() -> None:
    router, late = trade_router(), Noting[TradeRecord]()
    host = Reacting(lambda: router.join(late, of_mint("one")))
    router.join(host, Condition())
    router.send([traded(1, "one")], NOWHERE)
    assert not late.got
    router.leave(host)
    router.send([traded(2, "one")], NOWHERE)
    assert [trade.sequence for trade in late.got] == [2]


def test_who_leaves_while_a_step_is_told_gets_nothing_of_it() -> None:
    router, leaving = trade_router(), Noting[TradeRecord]()
    itself: Reacting = Reacting(lambda: router.leave(itself))
    router.join(itself, Condition())
    router.join(Reacting(lambda: router.leave(leaving)), Condition())
    router.join(leaving, Condition())
    router.send([traded(1, "one")], NOWHERE)
    router.send([traded(2, "one")], NOWHERE)
    assert not leaving.got
    assert [trade.sequence for trade in itself.got] == [1]


def test_who_joins_again_has_the_new_condition_and_leaving_twice_is_once() -> None:
    router = trade_router()
    subscriber = joined(router, of_mint("one"))
    router.join(subscriber, of_mint("two"))
    router.send([traded(1, "one"), traded(2, "two")], NOWHERE)
    assert [trade.sequence for trade in subscriber.got] == [2]
    router.leave(subscriber)
    router.leave(subscriber)
    assert len(router) == 0


def test_a_withdrawal_reaches_those_of_its_mint_and_those_who_name_none() -> None:
    router = trade_router()
    own, other = joined(router, of_mint("one")), joined(router, of_mint("two"))
    both = joined(router, Condition(keys=keys((MINT, address("one")), (MINT, address("two")))))
    whale = joined(router, Condition(keys=keys((TRADER, address("whale")))))
    large = joined(router, Condition(at_least=(VOLUME_USD, Decimal(10**9))))
    first, second = gone(traded(1, "one")), gone(traded(2, "two"))
    router.withdraw([first], NOWHERE)
    assert [each.gone for each in (own, other, both, whale, large)] == [[first], [], [first], [first], [first]]
    router.withdraw([first, second], NOWHERE)
    assert both.gone == [first, first, second]
    assert other.gone == [second]


def test_when_the_feed_ends_everybody_is_told() -> None:
    router = trade_router()
    everybody = [joined(router, Condition()), joined(router, of_mint("one"))]
    router.close()
    assert all(subscriber.is_closed for subscriber in everybody)
