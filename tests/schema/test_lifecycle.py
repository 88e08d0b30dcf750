"""Graduations, pools, and anything fetched again by its global id."""

from typing import Any

import pytest
from asking import Asked
from factories import T0, address, curve_of, launch, migration, pool_creation, pool_of, pool_trade, trade

_GRADUATIONS = """query ($first: Int, $after: String, $filter: TokenFilter) {
  graduations(first: $first, after: $after, filter: $filter) {
    edges { cursor node { cursor mintAddress } } pageInfo { hasNextPage endCursor }
  }
}"""


async def _graduate(store: Asked, count: int) -> None:
    for number in range(count):
        place: dict[str, Any] = {"mint": address(f"mint {number}")}
        # Three at a time share a second: their order must hold all the same.
        later = T0 + 100 + number // 3
        await store.write(
            [
                launch(**place, creator=address(f"creator {number % 2}")),
                trade(**place, block_time=T0 + 1),
                migration(**place, block_time=later),
                pool_creation(**place, block_time=later, event_index=1),
            ]
        )


async def test_a_graduation_tells_where_from_where_to_and_what_moved(store: Asked) -> None:
    await _graduate(store, 1)

    [found] = (
        await store.answer(
            """{ graduations { nodes { mintAddress token { stage } fromProtocol toProtocol pool { address }
            signature slot timestamp quoteAmount tokenAmount marketCapUsd secondsToGraduate commitment } } }"""
        )
    )["graduations"]["nodes"]

    mint = address("mint 0")
    assert found.pop("signature")
    assert found.pop("timestamp").endswith("Z")
    assert found.pop("marketCapUsd") == pytest.approx(31 / 1_038_387_096.774194 * 10**9 * 150)
    assert found == {
        "mintAddress": mint,
        "token": {"stage": "GRADUATED"},
        "fromProtocol": "PUMP_FUN",
        "toProtocol": "PUMP_SWAP",
        "pool": {"address": pool_of(mint)},
        "slot": "400000000",
        "quoteAmount": "84990359000",
        "tokenAmount": "206900000000000",
        "secondsToGraduate": 100,
        "commitment": "CONFIRMED",
    }


async def test_graduations_page_newest_first_and_lose_none(store: Asked) -> None:
    await _graduate(store, 10)
    found: list[str] = []
    after: str | None = None
    for _ in range(4):
        page = (await store.answer(_GRADUATIONS, first=3, after=after))["graduations"]
        assert [edge["cursor"] for edge in page["edges"]] == [edge["node"]["cursor"] for edge in page["edges"]]
        found += [edge["node"]["mintAddress"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]

    places = [next(n for n in range(10) if address(f"mint {n}") == mint) // 3 for mint in found]
    assert len(set(found)) == 10
    assert places == sorted(places, reverse=True)
    assert page["pageInfo"]["hasNextPage"] is False


async def test_graduations_can_be_narrowed_by_their_tokens(store: Asked) -> None:
    await _graduate(store, 6)
    chosen = {"creatorAddress": {"eq": address("creator 1")}}

    page = (await store.answer(_GRADUATIONS, filter=chosen))["graduations"]

    assert {edge["node"]["mintAddress"] for edge in page["edges"]} == {address(f"mint {n}") for n in (1, 3, 5)}


async def test_a_pool_is_found_by_its_account_and_nothing_else_is(store: Asked) -> None:
    await _graduate(store, 1)
    query = "query ($address: String!) { pool(address: $address) { protocol token { mintAddress } } }"

    found = (await store.answer(query, address=pool_of(address("mint 0"))))["pool"]

    assert found == {"protocol": "PUMP_SWAP", "token": {"mintAddress": address("mint 0")}}
    assert (await store.answer(query, address=curve_of(address("mint 0"))))["pool"] is None
    assert (await store.answer(query, address=address("nobody")))["pool"] is None
    assert (await store.refusal(query, address="pool"))[0] == "BAD_USER_INPUT"


async def test_every_object_is_found_again_by_its_id(store: Asked) -> None:
    await _graduate(store, 1)
    await store.write([pool_trade(mint=address("mint 0"), block_time=T0 + 200)])
    found = await store.answer(
        """{ tokens { nodes { id bondingCurve { id } pools { id } creator { id } } } trades { nodes { id } }
        graduations { nodes { id } } }"""
    )
    token = found["tokens"]["nodes"][0]
    ids = [
        token["id"],
        token["bondingCurve"]["id"],
        token["pools"][0]["id"],
        token["creator"]["id"],
        *(each["id"] for each in found["trades"]["nodes"]),
        found["graduations"]["nodes"][0]["id"],
    ]

    again = (await store.answer("query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", ids=ids))["nodes"]

    assert [each["id"] for each in again] == ids
    assert [each["__typename"] for each in again] == [
        "Token",
        "BondingCurve",
        "Pool",
        "Wallet",
        "Trade",
        "Trade",
        "GraduationEvent",
    ]


async def test_the_id_of_something_that_is_gone_is_null(store: Asked) -> None:
    await _graduate(store, 1)
    ids = [each["id"] for each in (await store.answer("{ trades { nodes { id } } }"))["trades"]["nodes"]]
    async with store.engine.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM trades")

    assert (await store.answer("query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=ids))["nodes"] == [None]


@pytest.mark.parametrize("text", ["", "x", "VG9rZW4=", "VG9rZW46AA==", "QWxlcnQ6MQ==", "\N{SNOWMAN}", "A" * 100_000])
async def test_an_id_that_is_not_ours_is_refused(store: Asked, text: str) -> None:
    code, message = await store.refusal("query ($id: ID!) { node(id: $id) { id } }", id=text)

    assert code == "BAD_USER_INPUT"
    assert "the `id` that a field gave" in message or "base58 of 32 bytes" in message


async def test_more_than_100_ids_are_refused(store: Asked) -> None:
    query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"

    assert (await store.refusal(query, ids=["x"] * 101))[0] == "MAX_PAGE_SIZE"
