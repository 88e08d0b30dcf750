"""Charts: every width is the plain fold of its trades; ranges, counts, fills and units as the contract says."""

from decimal import Decimal
from typing import Any

import pytest
from asking import Asked
from factories import T0, address, pool_trade, trade

from app.domain.candles import Candle, Interval, fold
from app.domain.events import Rate
from app.domain.programs import WSOL, TradeProgram
from app.domain.records import TradeRecord

_CHART = """query (
  $mint: String!, $interval: ChartInterval!, $from: Int, $to: Int, $countback: Int, $fill: CandleFill,
  $unit: ChartUnit, $program: TradeProgram
) {
  candles(
    mintAddress: $mint, interval: $interval, from: $from, to: $to, countback: $countback, fill: $fill, unit: $unit,
    program: $program
  ) {
    time openTime interval open high low close volume volumeSol buyVolume sellVolume trades buys sells traders
    marketCapUsd isFinal revision isFilled
  }
}"""
_DAY_START = T0 - T0 % 86_400


async def _chart(store: Asked, **variables: Any) -> list[dict[str, Any]]:
    given = {"mint": address("mint"), "interval": "M1", "unit": "QUOTE", **variables}
    candles: list[dict[str, Any]] = (await store.answer(_CHART, **given))["candles"]
    return candles


def _expected(trades: list[TradeRecord], interval: Interval, program: TradeProgram | None) -> list[Candle]:
    chosen = [each for each in trades if program is None or each.venue_kind is program]
    chosen.sort(key=lambda each: (each.block_time, each.position, each.identity))
    return sorted(fold(chosen, interval, program), key=lambda candle: candle.time)


@pytest.mark.parametrize("program", [None, TradeProgram.BONDING_CURVE, TradeProgram.AMM_POOL])
@pytest.mark.parametrize("interval", list(Interval))
async def test_a_chart_of_every_width_is_the_fold_of_its_trades(
    world: Asked, interval: Interval, program: TradeProgram | None
) -> None:
    for mint in {each.mint for each in world.trades}:
        own = [each for each in world.trades if each.mint == mint]
        candles = _expected(own, interval, program)

        found = await _chart(
            world,
            mint=mint,
            interval=interval.name,
            countback=5_000,
            unit="USD",
            program=program.name if program else None,
        )

        assert [each["time"] for each in found] == [candle.time for candle in candles]
        for each, candle in zip(found, candles, strict=True):
            traders = {
                one.trader
                for one in own
                if interval.bucket(one.block_time) == candle.time and program in (None, one.venue_kind)
            }
            assert each["traders"] == len(traders)
            assert each["interval"] == interval.name
            counts = ("trades", "buys", "sells")
            assert [each[name] for name in counts] == [getattr(candle, name) for name in counts]
            assert each["revision"] == 2 * candle.trades + each["isFinal"]
            numbers = {
                "open": candle.open_usd,
                "high": candle.high_usd,
                "low": candle.low_usd,
                "close": candle.close_usd,
                "volume": candle.volume_usd,
                "volumeSol": candle.volume,
                "buyVolume": candle.buy_volume_usd,
                "sellVolume": candle.sell_volume_usd,
            }
            assert {name: each[name] for name in numbers} == pytest.approx(
                {name: float(value or 0) for name, value in numbers.items()}, rel=1e-15
            )


def _at(time: int, quote: int = 31_000_000_000, **given: Any) -> Any:
    return trade(block_time=time, virtual_quote_reserves=quote, **given)


async def test_from_is_inclusive_and_to_exclusive(store: Asked) -> None:
    await store.write([_at(_DAY_START + second) for second in (0, 60, 120, 180)])

    found = await _chart(store, **{"from": _DAY_START + 60, "to": _DAY_START + 180})

    assert [each["time"] for each in found] == [_DAY_START + 60, _DAY_START + 120]


async def test_without_a_range_the_last_24_hours_before_the_head_are_given(store: Asked) -> None:
    await store.write([_at(T0 - 2 * 86_400), _at(T0 - 80_000), _at(T0)])

    found = await _chart(store, interval="H1")

    assert len(found) == 2
    assert found[-1]["time"] <= T0 < found[-1]["time"] + 3_600


@pytest.mark.parametrize("interval", ["S15", "M1", "M5"])
async def test_countback_reaches_over_quiet_hours(store: Asked, interval: str) -> None:
    await store.write([_at(T0 - hours * 3_600) for hours in (9, 7, 3, 0)])

    assert len(await _chart(store, interval=interval, countback=3)) == 3
    assert len(await _chart(store, interval=interval, countback=2, **{"from": T0 - 8 * 3_600})) == 3


async def test_a_filled_chart_repeats_the_last_close_from_before_its_start(store: Asked) -> None:
    await store.write(
        [_at(_DAY_START, 31 * 10**9), _at(_DAY_START + 600, 62 * 10**9), _at(_DAY_START + 720, 31 * 10**9)]
    )

    found = await _chart(store, fill="PREVIOUS_CLOSE", **{"from": _DAY_START + 540})

    assert [each["time"] - _DAY_START for each in found] == [540, 600, 660, 720]
    assert [each["isFilled"] for each in found] == [True, False, True, False]
    before, jump, still, _ = found
    assert before["open"] == before["close"] == pytest.approx(jump["close"] / 2)
    assert still["high"] == still["low"] == jump["close"]
    assert (still["volumeSol"], still["trades"], still["traders"]) == (0, 0, 0)


async def test_a_filled_chart_counts_slots_back_from_its_end(store: Asked) -> None:
    await store.write([_at(_DAY_START), _at(_DAY_START + 6_000)])

    found = await _chart(store, fill="PREVIOUS_CLOSE", countback=5)

    assert [each["time"] - _DAY_START for each in found] == [5_760, 5_820, 5_880, 5_940, 6_000]


async def test_nothing_is_filled_before_the_first_price_nor_after_the_head(store: Asked) -> None:
    await store.write([_at(_DAY_START + 120)])

    found = await _chart(store, fill="PREVIOUS_CLOSE", **{"from": _DAY_START, "to": _DAY_START + 3_600})

    assert [each["time"] - _DAY_START for each in found] == [120]


async def test_units_are_multiples_of_each_other(store: Asked) -> None:
    await store.write([_at(T0)])

    [quote], [usd], [cap] = [await _chart(store, unit=unit) for unit in ("QUOTE", "USD", "MARKET_CAP_USD")]

    assert usd["close"] == pytest.approx(quote["close"] * 150)
    assert cap["close"] == pytest.approx(usd["close"] * 10**9)
    assert cap["marketCapUsd"] == usd["marketCapUsd"] == pytest.approx(cap["close"])


async def test_a_chart_in_dollars_leaves_out_what_had_no_rate(store: Asked) -> None:
    await store.with_settings(sol_usd="").write([_at(T0)])

    assert await _chart(store, unit="USD") == []
    assert len(await _chart(store, unit="QUOTE")) == 1


@pytest.mark.parametrize("unit", ["USD", "MARKET_CAP_USD"])
async def test_a_candle_whose_first_or_last_trade_had_no_rate_still_shows_dollars(store: Asked, unit: str) -> None:
    unfixed = store.with_settings(sol_usd="", rate_max_age_seconds=10)
    early, late = trade(block_time=_DAY_START), trade(block_time=_DAY_START + 40)
    await unfixed.write([early, trade(block_time=_DAY_START + 20), late], rates=[Rate(WSOL, _DAY_START + 20, "150")])

    (candle,) = await _chart(unfixed, unit=unit)

    assert candle["volume"] == 150.0  # of the one trade with a rate
    assert {candle[name] for name in ("open", "close", "low")} == {candle["high"]}


async def test_a_chart_goes_on_across_graduation_unless_a_program_is_named(store: Asked) -> None:
    await store.write([_at(T0), pool_trade(block_time=T0)])

    counts = [(await _chart(store, program=program))[0]["trades"] for program in (None, "BONDING_CURVE", "AMM_POOL")]

    assert counts == [2, 1, 1]


async def test_only_an_interval_that_is_over_is_final(store: Asked) -> None:
    await store.write([_at(_DAY_START), _at(_DAY_START + 61)])

    assert [each["isFinal"] for each in await _chart(store)] == [True, False]


async def test_a_price_of_a_hundred_millionth_is_not_rounded_to_zero(store: Asked) -> None:
    await store.write([_at(T0, 30, virtual_base_reserves=10**15)])

    [found] = await _chart(store)

    assert Decimal(repr(found["close"])) == Decimal("3E-17")


async def test_a_mint_that_is_not_indexed_has_no_candles(store: Asked) -> None:
    assert await _chart(store, mint=address("nobody")) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"from": 100, "to": 100}, "`from` must be before `to`"),
        ({"from": 0, "to": 60 * 5_001}, "more than 5000 candles"),
        ({"countback": 5_001}, "0 to 5000"),
        ({"countback": -1}, "0 to 5000"),
        ({"mint": "not-a-mint"}, "base58 of 32 bytes"),
    ],
)
async def test_wrong_ranges_are_refused(store: Asked, arguments: dict[str, Any], says: str) -> None:
    code, message = await store.refusal(_CHART, **{"mint": address("mint"), "interval": "M1", **arguments})

    assert code == "BAD_USER_INPUT"
    assert says in message
