"""A page costs the same number of SQL statements whatever its length."""

from typing import Any

from asking import Asked
from factories import T0, address, balance, launch, migration, pool_creation, pool_trade, trade

from app.domain.events import Event

_EVERYTHING = """query ($first: Int!) {
  tokens(first: $first, orderBy: [{ field: MARKET_CAP }, { field: CURVE_PROGRESS, direction: ASC }]) {
    totalCount
    nodes {
      id mintAddress currentPrice { usd sol } priceChange5m priceChange1h priceChange24h volume5m volume1h volume24h
      marketCap liquidity holders bondingCurve { progress graduationMarketCap } creator { address } totalSupply
      pools { liquidity token { mintAddress } } extremes { athPrice }
      trades(first: 3) { nodes { priceUsd token { mintAddress } } }
      buys: trades(first: 2, filter: { side: BUY }) { nodes { id } }
      chart(interval: M5, countback: 10, fill: PREVIOUS_CLOSE) { open close traders }
      topHolders(limit: 5) { share valueUsd }
      stats(window: H1) { volumeUsd open priceChange volumeChange traders feesUsd }
    }
  }
}"""


def _life(number: int) -> list[Event]:
    place: dict[str, Any] = {"mint": address(f"mint {number}"), "block_time": T0 + number}
    return [
        launch(**place),
        trade(**place, trader=address(f"trader {number % 7}")),
        migration(**place),
        pool_creation(**place),
        pool_trade(**place),
    ]


async def test_a_page_of_100_tokens_costs_as_many_statements_as_one_of_10(store: Asked) -> None:
    events = [event for number in range(110) for event in _life(number)]
    await store.write(events, [balance(event, address("holder"), 10**9) for event in events])
    costs = {}
    for size in (10, 100):
        with store.statements() as seen:
            page = await store.answer(_EVERYTHING, first=size)
        assert len(page["tokens"]["nodes"]) == size
        assert all(len(token["trades"]["nodes"]) == 2 for token in page["tokens"]["nodes"])
        costs[size] = len(seen)

    assert costs[10] == costs[100]
    assert costs[100] <= 20


async def test_equal_fields_under_different_names_are_read_once(store: Asked) -> None:
    await store.write([trade()])
    with store.statements() as seen:
        await store.answer(
            """query ($mint: String!) {
              a: token(mintAddress: $mint) { stats(window: H1) { buyers } }
              b: token(mintAddress: $mint) { stats(window: H1) { sellers } }
            }""",
            mint=address("mint"),
        )
    statements = len(seen)
    with store.statements() as alone:
        await store.answer(
            "query ($mint: String!) { token(mintAddress: $mint) { stats(window: H1) { buyers } } }",
            mint=address("mint"),
        )

    assert statements == len(alone)


async def test_a_total_that_is_not_asked_for_is_not_counted(store: Asked) -> None:
    await store.write([launch()])
    with store.statements() as seen:
        await store.answer("{ tokens { nodes { name } } }")

    assert not any("count(" in statement for statement in seen)
