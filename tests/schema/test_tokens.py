"""Tokens: their fields, and lists in every order and by every filter."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from asking import Asked
from factories import (
    T0,
    address,
    balance,
    completion,
    curve_of,
    launch,
    migration,
    pool_creation,
    pool_of,
    pool_trade,
    trade,
)

from app.domain.events import Rate
from app.domain.programs import METEORA_DBC_AUTHORITY, USDC, WSOL, Protocol, Side, Stage
from app.domain.records import TokenRecord
from app.domain.valuation import liquidity, market_cap, price_usd, progress
from app.store.tokens import read_tokens

_RATES = {WSOL: Decimal(150)}
_TOKEN = "query ($mint: String!) {{ token(mintAddress: $mint) {{ {} }} }}"
_LIST = """query (
  $first: Int, $after: String, $last: Int, $before: String, $filter: TokenFilter, $orderBy: [TokenOrder!]
) {
  tokens(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy) {
    totalCount edges { cursor node { mintAddress } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""


async def _token(store: Asked, fields: str, mint: str = "mint") -> Any:
    return (await store.answer(_TOKEN.format(fields), mint=address(mint)))["token"]


async def _records(store: Asked) -> list[TokenRecord]:
    mints = [each["node"]["mintAddress"] for each in (await store.answer(_LIST, first=200))["tokens"]["edges"]]
    async with store.engine.connect() as connection:
        return list((await read_tokens(connection, mints)).values())


async def _mints(store: Asked, size: int = 200, backward: bool = False, **variables: Any) -> list[str]:
    found: list[str] = []
    place: str | None = None
    while True:
        paging = {"last": size, "before": place} if backward else {"first": size, "after": place}
        page = (await store.answer(_LIST, **paging, **variables))["tokens"]
        mints = [edge["node"]["mintAddress"] for edge in page["edges"]]
        found = [*mints, *found] if backward else [*found, *mints]
        if not page["pageInfo"]["hasPreviousPage" if backward else "hasNextPage"]:
            return found
        place = page["pageInfo"]["startCursor" if backward else "endCursor"]


async def test_before_its_first_trade_a_token_has_the_opening_price_of_its_curve(store: Asked) -> None:
    await store.write([launch()])

    found = await _token(
        store,
        "name symbol decimals totalSupply holders stage isGraduated graduatedAt volume24h priceChange5m liquidity "
        "creator { address } currentPrice { quote quoteExact program quoteMint } extremes { athPrice } createdAt",
    )

    opening = Decimal(30) / Decimal(1_073_000_000)
    assert found["currentPrice"].pop("quoteExact").startswith(f"{opening:.20f}"[:20])
    assert found == {
        "name": "First Light",
        "symbol": "LIGHT",
        "decimals": 6,
        "totalSupply": "1000000000000000",
        "holders": 0,
        "stage": "BONDING",
        "isGraduated": False,
        "graduatedAt": None,
        "volume24h": 0.0,
        "priceChange5m": None,
        "liquidity": 0.0,
        "creator": {"address": address("creator")},
        "currentPrice": {"quote": float(opening), "program": "BONDING_CURVE", "quoteMint": WSOL},
        "extremes": None,
        "createdAt": datetime.fromtimestamp(T0, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }


async def test_the_price_is_the_spot_after_the_newest_trade_in_quote_sol_and_dollars(store: Asked) -> None:
    await store.write([launch(), trade(block_time=T0 + 1)])

    found = await _token(store, "currentPrice { quote sol usd usdExact quoteUsd stale asOf { slot } } marketCap")

    spot = Decimal(31) / Decimal("1038387096.774194")
    price = found["currentPrice"]
    assert price["quote"] == price["sol"] == pytest.approx(float(spot), rel=1e-15)
    assert price["usd"] == pytest.approx(float(spot * 150), rel=1e-15)
    assert Decimal(price["usdExact"]) == (spot * 150).quantize(Decimal("1e-18"))
    assert (price["quoteUsd"], price["stale"]) == (150.0, False)
    assert found["marketCap"] == pytest.approx(float(spot * 150 * 10**9), rel=1e-15)


async def test_a_price_older_than_the_promise_is_stale_but_still_given(store: Asked) -> None:
    await store.write([trade(), trade(mint=address("another"), block_time=T0 + 61)])

    assert (await _token(store, "currentPrice { stale quote }"))["currentPrice"]["stale"] is True
    assert (await _token(store, "currentPrice { stale }", "another"))["currentPrice"]["stale"] is False


async def test_a_rate_that_is_too_old_gives_no_dollars(store: Asked) -> None:
    unfixed = store.with_settings(sol_usd="")
    await unfixed.write([trade(block_time=T0)], rates=[Rate(WSOL, T0, "200")])
    assert (await _token(unfixed, "currentPrice { usd quoteUsd }"))["currentPrice"]["quoteUsd"] == 200

    await unfixed.write([trade(block_time=T0 + 301, mint=address("another"))])

    assert await _token(unfixed, "marketCap liquidity currentPrice { usd quoteUsd }") == {
        "marketCap": None,
        "liquidity": None,
        "currentPrice": {"usd": None, "quoteUsd": None},
    }


async def test_a_price_in_a_stablecoin_is_told_in_sol_by_both_rates(store: Asked) -> None:
    await store.write([trade(quote_mint=USDC, quote_decimals=6)], rates=[Rate(USDC, T0, "0.75")])

    price = (await _token(store, "currentPrice { quote sol usd quoteMint }"))["currentPrice"]

    assert price["usd"] == pytest.approx(price["quote"] * 0.75)
    assert price["sol"] == pytest.approx(price["usd"] / 150)
    assert price["quoteMint"] == USDC


async def test_the_curve_tells_its_progress_and_what_is_still_to_come(store: Asked) -> None:
    await store.write([launch(), trade(block_time=T0 + 1)])

    curve = (
        await _token(
            store,
            """bondingCurve { address protocol configAddress quoteMint virtualQuoteReserves virtualTokenReserves
            realQuoteReserves realTokenReserves sqrtPrice progress quoteToGraduation graduationMarketCap feeBps
            isComplete asOf { commitment } }""",
        )
    )["bondingCurve"]

    end = Decimal(30 * 1_073_000_000) / Decimal("279900000")
    assert curve.pop("progress") == pytest.approx(1 - 758_487_096_774_194 / 793_100_000_000_000, rel=1e-15)
    assert int(curve.pop("quoteToGraduation")) == pytest.approx(float((end - 31) * 10**9), rel=1e-9)
    assert curve.pop("graduationMarketCap") == pytest.approx(float(end / 279_900_000 * 10**9 * 150), rel=1e-6)
    assert curve == {
        "address": curve_of(address("mint")),
        "protocol": "PUMP_FUN",
        "configAddress": None,
        "quoteMint": WSOL,
        "virtualQuoteReserves": "31000000000",
        "virtualTokenReserves": "1038387096774194",
        "realQuoteReserves": "1000000000",
        "realTokenReserves": "758487096774194",
        "sqrtPrice": None,
        "feeBps": 125,
        "isComplete": False,
        "asOf": {"commitment": "CONFIRMED"},
    }


async def test_the_progress_of_a_curve_whose_launch_was_not_seen_follows_from_its_product(store: Asked) -> None:
    await store.write([trade()])

    curve = (await _token(store, "bondingCurve { progress } totalSupply"))["bondingCurve"]

    assert curve["progress"] == pytest.approx(1 - 758_487_096_774_194 / 793_100_000_000_000, rel=1e-9)


_SQRT_PRICE = 2**64 // 1000
_DBC: dict[str, Any] = {
    "program": Protocol.METEORA_DBC,
    "virtual_base_reserves": None,
    "virtual_quote_reserves": None,
    "sqrt_price": _SQRT_PRICE,
    "real_base_reserves": 8 * 10**14,
    "real_quote_reserves": 20 * 10**9,
    "migration_threshold": 80 * 10**9,
    "fee_bps": None,
    "quote_amount": 98 * 10**7,
    "fee": 2 * 10**7,
    "config": address("config"),
}


async def test_a_meteora_curve_counts_quote_against_its_threshold_and_shows_equivalent_reserves(store: Asked) -> None:
    await store.write([trade(**_DBC)])

    curve = (
        await _token(
            store,
            "bondingCurve { progress quoteToGraduation sqrtPrice feeBps configAddress virtualTokenReserves "
            "virtualQuoteReserves graduationMarketCap }",
        )
    )["bondingCurve"]

    ratio = int(curve["virtualQuoteReserves"]) / int(curve["virtualTokenReserves"])
    assert ratio == pytest.approx((_SQRT_PRICE / 2**64) ** 2, rel=1e-6)
    assert curve["progress"] == 0.25
    assert curve["quoteToGraduation"] == str(60 * 10**9)
    assert curve["sqrtPrice"] == str(_SQRT_PRICE)
    assert (curve["feeBps"], curve["configAddress"]) == (200, address("config"))
    assert curve["graduationMarketCap"] is None


async def test_the_token_reserve_of_a_meteora_curve_is_what_its_vault_holds(store: Asked) -> None:
    told = trade(**{**_DBC, "real_base_reserves": None})
    await store.write([told], [balance(told, METEORA_DBC_AUTHORITY, 7 * 10**14), balance(told, address("holder"), 5)])

    found = await _token(store, "bondingCurve { realTokenReserves realQuoteReserves }")

    assert found["bondingCurve"] == {"realTokenReserves": str(7 * 10**14), "realQuoteReserves": str(20 * 10**9)}


async def test_what_a_meteora_launch_does_not_tell_is_known_from_its_config(store: Asked) -> None:
    unpriced = {"program": Protocol.METEORA_DBC, "config": address("config")}
    for name in ("virtual_base_reserves", "virtual_quote_reserves", "real_base_reserves", "real_quote_reserves"):
        unpriced[name] = None
    await store.write([launch(mint=address("new"), **unpriced)])
    assert (await store.refusal(_TOKEN.format("currentPrice { quote }"), mint=address("new")))[0] == "NOT_INDEXED"

    higher = {**_DBC, "sqrt_price": 2 * _SQRT_PRICE, "mint": address("higher"), "venue": curve_of(address("higher"))}
    await store.write([trade(**_DBC), trade(**higher)])

    fields = "currentPrice { quote program stale } bondingCurve { progress quoteToGraduation feeBps }"
    found = await _token(store, fields, "new")
    assert found["bondingCurve"] == {"progress": 0.0, "quoteToGraduation": str(80 * 10**9), "feeBps": 200}
    assert found["currentPrice"] == {
        "quote": pytest.approx((_SQRT_PRICE / 2**64) ** 2 / 1000),
        "program": "BONDING_CURVE",
        "stale": False,
    }


async def test_a_supply_that_nothing_told_is_an_error_and_not_a_guess(store: Asked) -> None:
    await store.write([trade(**_DBC)])

    code, message = await store.refusal(_TOKEN.format("totalSupply"), mint=address("mint"))

    assert code == "NOT_INDEXED"
    assert "launch was not seen" in message


def _graduated() -> list[Any]:
    return [
        launch(),
        trade(block_time=T0 + 5, real_base_reserves=0, virtual_base_reserves=279_900_000_000_000),
        completion(block_time=T0 + 5, event_index=1),
        migration(block_time=T0 + 9),
        pool_creation(block_time=T0 + 9, event_index=1),
        pool_trade(block_time=T0 + 20),
    ]


async def test_after_graduation_both_sides_of_the_pool_are_the_liquidity(store: Asked) -> None:
    await store.write(_graduated())

    found = await _token(
        store,
        "stage isGraduated graduatedAt liquidity bondingCurve { progress isComplete quoteToGraduation } "
        "pools { address protocol quoteMint tokenReserves quoteReserves liquidity feeBps createdAt token { name } } "
        "currentPrice { program }",
    )

    pool = found.pop("pools")[0]
    depth = pytest.approx(2 * 84.990359 * 150, rel=1e-12)
    assert found.pop("liquidity") == pool.pop("liquidity") == depth
    assert found == {
        "stage": "GRADUATED",
        "isGraduated": True,
        "graduatedAt": datetime.fromtimestamp(T0 + 9, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "bondingCurve": {"progress": 1.0, "isComplete": True, "quoteToGraduation": "0"},
        "currentPrice": {"program": "AMM_POOL"},
    }
    assert pool.pop("createdAt") is not None
    assert pool == {
        "address": pool_of(address("mint")),
        "protocol": "PUMP_SWAP",
        "quoteMint": WSOL,
        "tokenReserves": "206900000000000",
        "quoteReserves": "84990359000",
        "feeBps": 125,
        "token": {"name": "First Light"},
    }


async def test_the_largest_holders_come_first_without_vaults_unless_asked(store: Asked) -> None:
    event = trade(block_time=T0 + 1)
    held = [
        balance(event, address(name), amount) for name, amount in (("small", 5), ("large", 7 * 10**12), ("gone", 0))
    ]
    second = balance(event, address("small"), 6, account=address("second account"))
    vault = balance(event, event.venue, 9 * 10**14)
    await store.write([launch(), event], [*held, second, vault])

    fields = "{ address balance amount share valueUsd wallet { address } }"
    found = await _token(store, f"holders topHolders {fields} all: topHolders(excludeVaults: false, limit: 1) {fields}")

    assert [(each["address"], each["balance"]) for each in found["topHolders"]] == [
        (address("large"), "7000000000000"),
        (address("small"), "11"),
    ]
    largest = found["topHolders"][0]
    assert (largest["amount"], largest["share"]) == (7_000_000.0, 0.007)
    assert largest["valueUsd"] == pytest.approx(7_000_000 * 31 / 1_038_387_096.774194 * 150)
    assert [each["address"] for each in found["all"]] == [event.venue]
    assert found["holders"] == 2


@pytest.mark.parametrize("limit", [0, 101])
async def test_the_number_of_holders_is_bounded(store: Asked, limit: int) -> None:
    await store.write([launch()])

    code, message = await store.refusal(_TOKEN.format(f"topHolders(limit: {limit}) {{ share }}"), mint=address("mint"))

    assert (code, message) == ("BAD_USER_INPUT", "`limit` must be 1 to 100.")


def _progress(token: TokenRecord) -> Decimal:
    return Decimal(-1) if token.curve is None else progress(token.curve)


def _or_unknown(value: Decimal | int | None) -> Decimal | int:
    return -1 if value is None else value


_ORDERS: dict[str, Callable[[TokenRecord], Any]] = {
    "CREATED_AT": lambda token: token.created_at,
    "GRADUATED_AT": lambda token: _or_unknown(token.graduated_at),
    "LAST_TRADE_AT": lambda token: _or_unknown(token.last_trade_at),
    "MARKET_CAP": lambda token: _or_unknown(market_cap(token, _RATES)),
    "LIQUIDITY": lambda token: _or_unknown(liquidity(token, _RATES)),
    "PRICE": lambda token: _or_unknown(price_usd(token, _RATES)),
    "CURVE_PROGRESS": _progress,
}


async def _bazaar(store: Asked) -> None:
    """Tokens of every stage, with ties and with values missing."""
    events: list[Any] = []
    for number in range(24):
        place = {"mint": address(f"bazaar {number}"), "block_time": T0 + number // 3 * 10}
        quote = 30_000_000_000 + number % 5 * 10**9
        events += [launch(**place, creator=address(f"creator {number % 4}"))] if number % 3 else []
        events += (
            [trade(**place, virtual_quote_reserves=quote, real_quote_reserves=quote - 30 * 10**9)] if number % 4 else []
        )
        events += [migration(**place), pool_creation(**place)] if number % 6 == 5 else []
        events += [trade(**{**place, **_DBC, "quote_mint": USDC, "quote_decimals": 6})] if number % 12 == 0 else []
    await store.write(events)


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("direction", ["DESC", "ASC"])
@pytest.mark.parametrize("field", _ORDERS)
async def test_every_order_lists_each_token_once_by_its_value_over_pages(
    store: Asked, field: str, direction: str, backward: bool
) -> None:
    await _bazaar(store)
    records = {token.mint: token for token in await _records(store)}

    found = await _mints(store, 5, backward, orderBy=[{"field": field, "direction": direction}])

    assert sorted(found) == sorted(records)
    values = [float(_ORDERS[field](records[mint])) for mint in found]
    assert values == sorted(values, reverse=direction == "DESC")


async def test_a_second_key_orders_what_the_first_leaves_equal(store: Asked) -> None:
    await _bazaar(store)
    records = {token.mint: token for token in await _records(store)}
    order = [{"field": "CREATED_AT", "direction": "ASC"}, {"field": "PRICE", "direction": "DESC"}]

    found = await _mints(store, 4, orderBy=order)

    keys = [(records[mint].created_at, -float(_or_unknown(price_usd(records[mint], _RATES)))) for mint in found]
    assert len(found) == len(records)
    assert keys == sorted(keys)


def _rfc(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat()


_FILTERS: list[tuple[dict[str, Any], Callable[[TokenRecord], bool]]] = [
    ({"mintAddress": {"eq": address("bazaar 4")}}, lambda token: token.mint == address("bazaar 4")),
    ({"creatorAddress": {"eq": address("creator 1")}}, lambda token: token.creator == address("creator 1")),
    ({"creatorAddress": {"notIn": [address("creator 1")]}}, lambda token: token.creator != address("creator 1")),
    ({"protocol": ["METEORA_DBC"]}, lambda token: token.protocol is Protocol.METEORA_DBC),
    ({"protocol": ["PUMP_SWAP"]}, lambda token: bool(token.pools)),
    ({"stage": ["GRADUATED"]}, lambda token: token.stage is Stage.GRADUATED),
    ({"stage": []}, lambda token: False),
    ({"quoteMint": {"eq": USDC}}, lambda token: token.quote_mint == USDC),
    ({"createdAt": {"gte": _rfc(T0 + 20), "lt": _rfc(T0 + 40)}}, lambda token: T0 + 20 <= token.created_at < T0 + 40),
    ({"lastTradeAt": {"withinSeconds": 15}}, lambda token: (token.last_trade_at or 0) >= T0 + 70 - 15),
    ({"priceUsd": {"gte": 0.0000045}}, lambda token: (price_usd(token, _RATES) or 0) >= Decimal("0.0000045")),
    ({"marketCap": {"gt": 4_500}}, lambda token: (market_cap(token, _RATES) or 0) > 4_500),
    ({"liquidity": {"lte": 300}}, lambda token: (depth := liquidity(token, _RATES)) is not None and depth <= 300),
    ({"curveProgress": {"gt": 0.04}}, lambda token: _progress(token) > Decimal("0.04")),
    ({"not": {"curveProgress": {"gt": 0.04}}}, lambda token: not _progress(token) > Decimal("0.04")),
    (
        {"or": [{"stage": ["GRADUATED"]}, {"and": [{"quoteMint": {"eq": USDC}}]}]},
        lambda token: token.stage is Stage.GRADUATED or token.quote_mint == USDC,
    ),
]


@pytest.mark.parametrize(("chosen", "holds"), _FILTERS, ids=[str(chosen) for chosen, _ in _FILTERS])
async def test_a_filter_selects_what_it_says(
    store: Asked, chosen: dict[str, Any], holds: Callable[[TokenRecord], bool]
) -> None:
    await _bazaar(store)
    expected = {token.mint for token in await _records(store) if holds(token)}

    page = (await store.answer(_LIST, first=200, filter=chosen))["tokens"]

    assert {edge["node"]["mintAddress"] for edge in page["edges"]} == expected
    assert page["totalCount"] == len(expected)


async def test_a_cursor_of_another_order_is_refused(store: Asked) -> None:
    await _bazaar(store)
    cursor = (await store.answer(_LIST, first=1, orderBy=[{"field": "PRICE"}]))["tokens"]["pageInfo"]["endCursor"]

    for order in ([{"field": "MARKET_CAP"}], [{"field": "PRICE", "direction": "ASC"}]):
        code, _ = await store.refusal(_LIST, after=cursor, orderBy=order)
        assert code == "CURSOR_INVALID"


async def test_tokens_by_mint_keep_the_order_asked_for_with_null_for_the_unknown(store: Asked) -> None:
    await store.write([launch(mint=address("a")), launch(mint=address("b"))])
    mints = [address("b"), address("nobody"), address("a"), address("b")]

    found = await store.answer("query ($m: [String!]!) { tokensByMint(mintAddresses: $m) { mintAddress } }", m=mints)

    assert [each and each["mintAddress"] for each in found["tokensByMint"]] == [mints[0], None, mints[2], mints[3]]


async def test_a_well_formed_mint_that_is_not_indexed_is_null(store: Asked) -> None:
    assert await _token(store, "name", "nobody") is None


@pytest.mark.parametrize("mint", ["", "abc", "0OIl", address("mint")[:-9], address("mint") + "1", "1" * 10_000])
async def test_a_bad_mint_is_refused_and_told_what_it_should_be(store: Asked, mint: str) -> None:
    code, message = await store.refusal(_TOKEN.format("name"), mint=mint)

    assert code == "BAD_USER_INPUT"
    assert "base58 of 32 bytes" in message


async def test_more_than_200_mints_are_refused(store: Asked) -> None:
    query = "query ($m: [String!]!) { tokensByMint(mintAddresses: $m) { mintAddress } }"

    assert (await store.refusal(query, m=[address("mint")] * 201))[0] == "MAX_PAGE_SIZE"


async def test_an_empty_store_answers_empty_lists(store: Asked) -> None:
    page = (await store.answer(_LIST))["tokens"]

    assert page["edges"] == []
    assert page["totalCount"] == 0
    assert page["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": None,
    }


async def test_extremes_are_the_highest_and_lowest_spot_in_dollars(store: Asked) -> None:
    spots = [31, 62, 15]
    await store.write(
        [
            trade(
                block_time=T0 + second, side=Side.BUY, virtual_quote_reserves=spot * 10**9, virtual_base_reserves=10**15
            )
            for second, spot in enumerate(spots)
        ]
    )

    found = (await _token(store, "extremes { athPrice athPriceAt athMarketCap atlPrice atlPriceAt }"))["extremes"]

    assert found["athPrice"] == pytest.approx(62e-9 * 150)
    assert found["atlPrice"] == pytest.approx(15e-9 * 150)
    assert found["athMarketCap"] == pytest.approx(62 * 150)
    assert found["athPriceAt"] == datetime.fromtimestamp(T0 + 1, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert found["atlPriceAt"] == datetime.fromtimestamp(T0 + 2, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
