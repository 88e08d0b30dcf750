"""Trades: every field of every stored trade, pages that lose and repeat nothing, filters that mean what they say."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from asking import Asked
from factories import SLOT0, T0, address, signature, trade

from app.domain.events import Rate
from app.domain.money import ratio_price, whole
from app.domain.programs import USDC, Side, TradeProgram
from app.domain.records import TradeRecord

_PAGE = """query (
  $first: Int, $after: String, $last: Int, $before: String, $filter: TradeFilter, $orderBy: TradeOrder
) {
  trades(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy) {
    edges { cursor node { id cursor } } nodes { id }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}"""


def _chain(record: TradeRecord) -> tuple[int, int, bytes]:
    return record.block_time, record.position, record.identity


def _volume(record: TradeRecord) -> Decimal:
    return whole(record.quote_amount, record.quote_decimals) * (record.quote_usd or Decimal(-1))


async def _walk(world: Asked, size: int, backward: bool = False, **variables: Any) -> list[str]:
    """Cursors of the whole list, page by page, each page on its own."""
    found: list[str] = []
    place: str | None = None
    while True:
        paging = {"last": size, "before": place} if backward else {"first": size, "after": place}
        page = (await world.answer(_PAGE, **paging, **variables))["trades"]
        cursors = [edge["cursor"] for edge in page["edges"]]
        found = [*cursors, *found] if backward else [*found, *cursors]
        if not page["pageInfo"]["hasPreviousPage" if backward else "hasNextPage"]:
            return found
        place = page["pageInfo"]["startCursor" if backward else "endCursor"]


async def test_every_field_of_a_trade_is_what_was_stored(store: Asked) -> None:
    mint = address("mint")
    await store.write(
        [trade(block_time=T0, compute_units=61_000, priority_fee=5_000, transaction_index=17, event_index=2)]
    )
    record = store.trades[0]

    [found] = (
        await store.answer("""{ trades { nodes {
        mintAddress signature slot transactionIndex eventIndex blockTime indexedAt commitment side program protocol
        venueAddress traderAddress trader { id address } quoteAmount tokenAmount quoteMint priceQuote priceSol priceUsd
        priceExact volumeUsd marketCapUsd virtualQuoteReserves virtualTokenReserves realQuoteReserves realTokenReserves
        computeUnits priorityFee fee isFirstTrade token { mintAddress }
        } } }""")
    )["trades"]["nodes"]

    paid = ratio_price(1_000_000_000, 34_612_903_225_806, 9, 6)
    assert paid is not None
    assert record.spot_price is not None
    assert found.pop("indexedAt").endswith("Z")
    assert found.pop("trader")["address"] == address("trader")
    assert found == {
        "mintAddress": mint,
        "signature": record.signature,
        "slot": str(SLOT0),
        "transactionIndex": 17,
        "eventIndex": 2,
        "blockTime": datetime.fromtimestamp(T0, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "commitment": "CONFIRMED",
        "side": "BUY",
        "program": "BONDING_CURVE",
        "protocol": "PUMP_FUN",
        "venueAddress": record.venue,
        "traderAddress": address("trader"),
        "quoteAmount": "1000000000",
        "tokenAmount": "34612903225806",
        "quoteMint": record.quote_mint,
        "priceQuote": float(paid),
        "priceSol": float(paid),
        "priceUsd": float(paid * 150),
        "priceExact": format(paid, "f").rstrip("0"),
        "volumeUsd": 150.0,
        "marketCapUsd": float(record.spot_price * 10**9 * 150),
        "virtualQuoteReserves": "31000000000",
        "virtualTokenReserves": "1038387096774194",
        "realQuoteReserves": "1000000000",
        "realTokenReserves": "758487096774194",
        "computeUnits": 61_000,
        "priorityFee": "5000",
        "fee": "12500000",
        "isFirstTrade": True,
        "token": {"mintAddress": mint},
    }


async def test_amounts_beyond_two_to_the_63_cross_unharmed(store: Asked) -> None:
    await store.write([trade(base_amount=2**64 - 1)])

    [found] = (await store.answer("{ trades { nodes { tokenAmount } } }"))["trades"]["nodes"]

    assert found["tokenAmount"] == "18446744073709551615"


async def test_without_a_rate_values_in_dollars_are_null_and_not_zero(store: Asked) -> None:
    await store.with_settings(sol_usd="").write([trade()])

    fields = "priceUsd volumeUsd marketCapUsd token { marketCap liquidity currentPrice { usd usdExact quoteUsd } }"
    [found] = (await store.with_settings(sol_usd="").answer(f"{{ trades {{ nodes {{ {fields} }} }} }}"))["trades"][
        "nodes"
    ]

    nothing = {"usd": None, "usdExact": None, "quoteUsd": None}
    assert found == {
        "priceUsd": None,
        "volumeUsd": None,
        "marketCapUsd": None,
        "token": {"marketCap": None, "liquidity": None, "currentPrice": nothing},
    }


async def test_another_quote_than_sol_is_valued_by_its_own_rate(store: Asked) -> None:
    usdc = trade(quote_mint=USDC, quote_decimals=6, quote_amount=2_000_000, base_amount=10**6)
    await store.write([usdc], rates=[Rate(USDC, T0, "0.5")])

    [found] = (await store.answer("{ trades { nodes { priceQuote priceUsd priceSol volumeUsd } } }"))["trades"]["nodes"]

    assert found == {"priceQuote": 2.0, "priceUsd": 1.0, "priceSol": 1.0 / 150, "volumeUsd": 1.0}


@pytest.mark.parametrize("direction", ["DESC", "ASC"])
@pytest.mark.parametrize(
    ("field", "key"), [("CHAIN", _chain), ("VOLUME_USD", lambda each: (_volume(each), _chain(each)))]
)
@pytest.mark.parametrize("backward", [False, True])
async def test_pages_hold_every_trade_once_in_order(
    world: Asked, field: str, key: Callable[[TradeRecord], Any], direction: str, backward: bool
) -> None:
    expected = sorted(world.trades, key=key, reverse=direction == "DESC")

    found = await _walk(world, 7, backward, orderBy={"field": field, "direction": direction})

    assert [world.cursors.decode(cursor).identity for cursor in found] == [each.identity for each in expected]


async def test_trades_of_one_second_keep_their_order_over_pages(store: Asked) -> None:
    await store.write([trade(signature=signature(f"same {number}")) for number in range(9)])

    found = await _walk(store, 2)

    assert len(set(found)) == 9


async def test_an_edge_cursor_is_the_cursor_of_its_trade(world: Asked) -> None:
    page = (await world.answer(_PAGE, first=5))["trades"]

    assert [edge["cursor"] for edge in page["edges"]] == [edge["node"]["cursor"] for edge in page["edges"]]
    assert [edge["node"]["id"] for edge in page["edges"]] == [node["id"] for node in page["nodes"]]


def _nested(depth: int) -> dict[str, Any]:
    return {"side": "BUY"} if depth == 1 else {"not": _nested(depth - 1)}


_MINT = "mint 7 1"
_FILTERS: list[tuple[dict[str, Any], Callable[[TradeRecord], bool]]] = [
    ({"mintAddress": {"eq": address(_MINT)}}, lambda each: each.mint == address(_MINT)),
    ({"mintAddress": {"in": [address(_MINT), address("nobody")]}}, lambda each: each.mint == address(_MINT)),
    ({"mintAddress": {"in": []}}, lambda each: False),
    ({"mintAddress": {"notIn": [address(_MINT)]}}, lambda each: each.mint != address(_MINT)),
    ({"traderAddress": {"eq": address("trader 3")}}, lambda each: each.trader == address("trader 3")),
    ({"traderAddress": {"eq": address("nobody")}}, lambda each: False),
    ({"side": "SELL"}, lambda each: each.side is Side.SELL),
    ({"program": "AMM_POOL"}, lambda each: each.venue_kind is TradeProgram.AMM_POOL),
    ({"protocol": ["PUMP_SWAP", "METEORA_DBC"]}, lambda each: each.venue_kind is TradeProgram.AMM_POOL),
    ({"volumeUsd": {"gte": 900.5}}, lambda each: _volume(each) >= Decimal("900.5")),
    ({"quoteAmount": {"gt": 2, "lte": 8.25}}, lambda each: 2 * 10**9 < each.quote_amount <= 8_250_000_000),
    ({"priceUsd": {"lt": 0.0001}}, lambda each: each.quote_amount * 150 / each.base_amount / 1000 < 0.0001),
    ({"firstTradeOnly": True}, lambda each: each.is_first_trade),
    ({"blockTime": {"withinSeconds": 300}}, lambda each: each.block_time >= T0 + 159 * 7 - 300),
    (
        {"blockTime": {"gte": datetime.fromtimestamp(T0 + 70, UTC).isoformat(), "lt": "2038-01-01T00:00:00Z"}},
        lambda each: each.block_time >= T0 + 70,
    ),
    ({"not": {"side": "SELL"}}, lambda each: each.side is Side.BUY),
    (
        {"or": [{"side": "SELL"}, {"program": "AMM_POOL"}]},
        lambda each: each.side is Side.SELL or each.venue_kind is TradeProgram.AMM_POOL,
    ),
    (
        {"and": [{"side": "SELL"}, {"not": {"program": "AMM_POOL"}}]},
        lambda each: each.side is Side.SELL and each.venue_kind is not TradeProgram.AMM_POOL,
    ),
    ({"or": []}, lambda each: False),
    ({}, lambda each: True),
]


@pytest.mark.parametrize(("chosen", "holds"), _FILTERS, ids=[str(chosen) for chosen, _ in _FILTERS])
async def test_a_filter_selects_what_it_says(
    world: Asked, chosen: dict[str, Any], holds: Callable[[TradeRecord], bool]
) -> None:
    expected = {each.identity for each in world.trades if holds(each)}

    found = await _walk(world, 100, filter=chosen)

    assert {world.cursors.decode(cursor).identity for cursor in found} == expected


async def test_the_filter_by_creator_selects_the_creators_tokens(world: Asked) -> None:
    known = (await world.answer("{ trades(first: 200) { nodes { id token { creator { address } } } } }"))["trades"][
        "nodes"
    ]
    creator = known[0]["token"]["creator"]["address"]
    expected = {each["id"] for each in known if (each["token"]["creator"] or {}).get("address") == creator}

    page = await world.answer(_PAGE, first=200, filter={"creatorAddress": {"eq": creator}})

    assert {node["id"] for node in page["trades"]["nodes"]} == expected
    others = await world.answer(_PAGE, first=200, filter={"creatorAddress": {"notIn": [creator]}})
    assert {node["id"] for node in others["trades"]["nodes"]} == {each["id"] for each in known} - expected


async def test_the_trades_of_a_token_can_be_narrowed_by_any_filter(world: Asked) -> None:
    query = """query ($mint: String!, $filter: TradeFilter) {
      token(mintAddress: $mint) { trades(first: 200, filter: $filter) { nodes { id cursor } } }
    }"""
    for chosen, holds in _FILTERS:
        expected = {each.identity for each in world.trades if holds(each) and each.mint == address(_MINT)}

        found = (await world.answer(query, mint=address(_MINT), filter=chosen))["token"]["trades"]["nodes"]

        assert {world.cursors.decode(each["cursor"]).identity for each in found} == expected


async def test_a_value_that_is_not_known_satisfies_the_negation_of_a_comparison(store: Asked) -> None:
    await store.with_settings(sol_usd="").write([trade()])

    found = await _walk(store, 10, filter={"not": {"volumeUsd": {"gt": 1}}})

    assert len(found) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ({"first": 201}, "MAX_PAGE_SIZE", "at most 200"),
        ({"last": 1_000_000}, "MAX_PAGE_SIZE", "at most 200"),
        ({"first": -1}, "BAD_USER_INPUT", "negative"),
        ({"first": 1, "last": 1}, "BAD_USER_INPUT", "not both"),
        ({"after": "bm9uc2Vuc2U"}, "CURSOR_INVALID", "leave the cursor out"),
        ({"before": "\N{SNOWMAN}"}, "CURSOR_INVALID", "leave the cursor out"),
        ({"filter": {"mintAddress": {"in": ["x"] * 501}}}, "BAD_USER_INPUT", "at most 500"),
        ({"filter": {"mintAddress": {"in": [address("mint"), "\0"]}}}, "BAD_USER_INPUT", "base58 of 32 bytes"),
        ({"filter": {"traderAddress": {"eq": "\ud800"}}}, "BAD_USER_INPUT", "base58 of 32 bytes"),
        ({"filter": {"creatorAddress": {"notIn": [""]}}}, "BAD_USER_INPUT", "base58 of 32 bytes"),
        ({"filter": _nested(11)}, "BAD_USER_INPUT", "10 deep"),
        ({"filter": {"blockTime": {"withinSeconds": -5}}}, "BAD_USER_INPUT", "negative"),
        ({"filter": {"or": [{"side": "BUY"}] * 101}}, "BAD_USER_INPUT", "at most 100"),
    ],
)
async def test_wrong_arguments_are_told_with_their_code_and_what_to_do(
    store: Asked, arguments: dict[str, Any], code: str, says: str
) -> None:
    told, message = await store.refusal(_PAGE, **arguments)

    assert told == code
    assert says in message
