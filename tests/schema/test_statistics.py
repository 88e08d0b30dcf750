"""Windows: exact to the second at both ends, equal to a recomputation from the trades."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from asking import Asked
from factories import T0, address, launch, pool_trade, signature, trade

from app.domain.events import Rate
from app.domain.money import whole
from app.domain.programs import USDC, WSOL, Side
from app.domain.records import TradeRecord
from app.store.stats import recompute_stats

_STATS = """query ($mint: String!, $window: StatsWindow!) {
  token(mintAddress: $mint) {
    priceChange5m priceChange1h priceChange24h volume5m volume1h volume24h
    stats(window: $window) {
      window volumeUsd volumeSol buyVolumeUsd sellVolumeUsd tradeCount buyCount sellCount traders buyers sellers
      open high low close priceChange volumeChange feesUsd
    }
  }
}"""
_SECONDS = {"M1": 60, "M5": 300, "M15": 900, "M30": 1_800, "H1": 3_600, "H4": 14_400, "H6": 21_600, "H12": 43_200}


async def _stats(store: Asked, window: str = "M5", mint: str = address("mint")) -> Any:
    return (await store.answer(_STATS, mint=mint, window=window))["token"]["stats"]


def _usd(trades: Sequence[TradeRecord]) -> float:
    return float(sum((whole(each.quote_amount, 9) * (each.quote_usd or 0) for each in trades), Decimal(0)))


def _spots(trades: Sequence[TradeRecord]) -> list[float]:
    return [float(each.spot_price * each.quote_usd) for each in trades if each.spot_price and each.quote_usd]


def _change(now: float, then: float) -> float | None:
    return None if not then else (now - then) / then * 100


@pytest.mark.parametrize("window", _SECONDS)
async def test_a_window_equals_the_sums_of_its_trades(world: Asked, window: str) -> None:
    head = max(each.block_time for each in world.trades)
    seconds = _SECONDS[window]
    for mint in {each.mint for each in world.trades}:
        trades = sorted(
            (each for each in world.trades if each.mint == mint),
            key=lambda each: (each.block_time, each.position, each.identity),
        )
        own = [each for each in trades if head - seconds < each.block_time <= head]
        before = [each for each in trades if head - 2 * seconds < each.block_time <= head - seconds]
        old = [each for each in trades if each.block_time <= head - seconds]
        buys, sells = [[each for each in own if each.side is side] for side in (Side.BUY, Side.SELL)]

        found = await _stats(world, window, mint)

        counts = ("tradeCount", "buyCount", "sellCount", "traders", "buyers", "sellers")
        groups = [own, buys, sells]
        assert [found[name] for name in counts] == [
            *(len(group) for group in groups),
            *(len({each.trader for each in group}) for group in groups),
        ]
        expected = {
            "volumeUsd": _usd(own),
            "volumeSol": _usd(own) / 150,
            "buyVolumeUsd": _usd(buys),
            "sellVolumeUsd": _usd(sells),
            "open": _spots(old)[-1] if old else None,
            "high": max(_spots(own), default=None),
            "low": min(_spots(own), default=None),
            "close": _spots(trades)[-1],
            "priceChange": _change(_spots(trades)[-1], _spots(old)[-1]) if old else None,
            "volumeChange": _change(_usd(own), _usd(before)),
            "feesUsd": sum((each.fee or 0) for each in own) / 1e9 * 150,
        }
        known = {name: value for name, value in expected.items() if value is not None}
        assert {name: found[name] for name in known} == pytest.approx(known, rel=1e-12)
        assert [found[name] for name in expected if name not in known] == [None] * (len(expected) - len(known))


async def test_a_window_leaves_out_its_first_second_and_holds_its_last(store: Asked) -> None:
    await store.write([trade(block_time=T0 + second) for second in (0, 1, 300)])

    assert (await _stats(store))["tradeCount"] == 2


async def test_windows_end_at_the_newest_trade_of_all_tokens(store: Asked) -> None:
    await store.write([trade(), trade(block_time=T0 + 600, mint=address("another"))])

    found = (await store.answer(_STATS, mint=address("mint"), window="M5"))["token"]

    assert (found["stats"]["tradeCount"], found["volume5m"], found["volume1h"]) == (0, 0.0, 150.0)
    assert (found["priceChange5m"], found["priceChange1h"]) == (0.0, None)


async def test_a_price_change_is_told_in_per_cent_of_the_spot_then(store: Asked) -> None:
    spots = {0: 40, 299: 80, 300: 50}
    await store.write(
        [
            trade(block_time=T0 + second, virtual_base_reserves=10**15, virtual_quote_reserves=spot * 10**9)
            for second, spot in spots.items()
        ]
    )

    found = (await store.answer(_STATS, mint=address("mint"), window="M5"))["token"]

    assert found["priceChange5m"] == found["stats"]["priceChange"] == 25.0


async def test_a_price_that_did_not_move_has_changed_by_nothing(store: Asked) -> None:
    # A ratio whose digits never end: the price of the token and the price then must be rounded alike.
    await store.write([trade(virtual_base_reserves=754_767_257_904_403, virtual_quote_reserves=29_999_999_999)])
    await store.write([trade(block_time=T0 + 600, mint=address("another"))])

    found = (await store.answer(_STATS, mint=address("mint"), window="M5"))["token"]

    assert found["priceChange5m"] == found["stats"]["priceChange"] == 0.0


async def test_the_priority_fee_of_a_transaction_with_two_swaps_counts_once(store: Asked) -> None:
    both = {"signature": signature("two swaps"), "fee": 0, "priority_fee": 10**9}
    await store.write([trade(**both), pool_trade(**both, event_index=1, ordinal=1)])

    assert (await _stats(store))["feesUsd"] == 150.0


async def test_a_priority_fee_is_in_sol_whatever_the_quote(store: Asked) -> None:
    usdc = trade(quote_mint=USDC, quote_decimals=6, fee=10**6, priority_fee=10**9)
    await store.write([usdc], rates=[Rate(USDC, T0, "1"), Rate(WSOL, T0, "150")])

    assert (await _stats(store))["feesUsd"] == 151.0


async def test_without_a_rate_a_window_has_counts_and_quote_volume_but_no_dollar_prices(store: Asked) -> None:
    unfixed = store.with_settings(sol_usd="")
    await unfixed.write([launch(), trade(block_time=T0 + 1)])

    found = await _stats(unfixed)

    assert (found["tradeCount"], found["volumeSol"], found["volumeUsd"]) == (1, 1.0, 0.0)
    assert [found[name] for name in ("open", "high", "low", "close")] == [None] * 4


_ORDERED = """query ($orderBy: [TokenOrder!], $after: String) {
  tokens(first: 1, after: $after, orderBy: $orderBy) { nodes { mintAddress } pageInfo { hasNextPage endCursor } }
}"""


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ({"field": "VOLUME", "window": "M5"}, ["few", "many", "none"]),
        ({"field": "VOLUME", "window": "M5", "direction": "ASC"}, ["none", "many", "few"]),
        ({"field": "TRADE_COUNT", "window": "H24"}, ["many", "few", "none"]),
        ({"field": "TRADE_COUNT"}, ["many", "few", "none"]),
    ],
)
async def test_lists_by_volume_and_count_read_the_maintained_statistics(
    store: Asked, order: dict[str, Any], expected: list[str]
) -> None:
    amounts = {"many": (10**9, 10**9, 10**9), "few": (10**10,)}
    await store.write(
        [
            launch(mint=address("none")),
            *(
                trade(mint=address(name), quote_amount=amount, block_time=T0 + 1)
                for name, paid in amounts.items()
                for amount in paid
            ),
        ]
    )
    await recompute_stats(store.engine)
    found, after = [], None
    with store.statements() as seen:
        for _ in expected:
            page = (await store.answer(_ORDERED, orderBy=[order], after=after))["tokens"]
            found += [node["mintAddress"] for node in page["nodes"]]
            after = page["pageInfo"]["endCursor"]

    assert found == [address(name) for name in expected]
    assert page["pageInfo"]["hasNextPage"] is False
    assert not any("FROM trades" in statement for statement in seen)
