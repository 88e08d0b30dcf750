"""The test node as real clients see it: solana-py's AsyncClient and plain WebSockets."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import httpx
import pytest
from chain import CREATOR, MINT, POOL, call, event, key, self_cpi, transaction
from recorded import DATA
from solana.rpc.async_api import AsyncClient
from solana.rpc.commitment import Confirmed, Finalized, Processed
from solders.pubkey import Pubkey
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from app.domain.events import Launch
from app.domain.programs import PUMP_FUN, WSOL, Commitment
from indexer.accounts import read_account
from indexer.decoders import decode
from indexer.layouts.pump_amm import PUMP_AMM
from indexer.parse import parse
from indexer.recordings import list_files, read_pieces
from node.chain import Chain, Fate, Mix
from node.faults import Kind
from node.landed import Landed, Writer
from node.material import given, recorded, simulated
from node.serving import Node, serve_node
from node.truth import true_trades, truth

STARTED = 1_790_000_000
IDS = count(1)


def market(mix: Mix | None = None, *, rate: float = 40, trades: int = 400, version_1: bool = False) -> Chain:
    made = simulated(rate=rate, tokens=10, count=trades, started=STARTED, version_1=version_1)
    return Chain(made, mix or Mix(skipped_share=0.1))


@asynccontextmanager
async def asking(chain: Chain) -> AsyncIterator[tuple[Node, AsyncClient]]:
    async with serve_node(chain) as node, AsyncClient(node.http_url) as client:
        yield node, client


async def post(node: Node, method: str, *params: Any) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=5) as client:
        body = {"jsonrpc": "2.0", "id": next(IDS), "method": method, "params": params}
        answer: dict[str, Any] = (await client.post(node.http_url, json=body)).json()
        return answer


async def subscribe(socket: ClientConnection, method: str, *params: Any) -> int:
    await socket.send(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
    number: int = json.loads(await socket.recv())["result"]
    return number


async def notifications(socket: ClientConnection, wanted: int) -> list[Any]:
    async with asyncio.timeout(5):
        return [json.loads(await socket.recv())["params"]["result"] for _ in range(wanted)]


async def test_a_client_reads_a_block_and_finds_every_true_trade_in_it() -> None:
    chain = market()
    await chain.advance(60)
    async with asking(chain) as (_, client):
        slots = (await client.get_blocks(chain.first_slot, chain.slot)).value
        assert len(slots) > 10
        found = {}
        for slot in slots:
            answer = await client.get_block(slot, max_supported_transaction_version=0)
            assert answer.value is not None
            result = json.dumps({"slot": slot, **json.loads(answer.to_json())["result"]})
            for transaction in parse(result.encode()).transactions:
                found.update({each.identity: each.slot for each in decode(transaction).events})
        expected = {event.identity: each.slot for each in truth(chain, last=slots[-1]) for event in each.events}
        assert found == expected
        assert len(found) > 100


@pytest.mark.parametrize("version_1", [False, True])
async def test_both_encodings_of_a_block_hold_the_same_transactions(version_1: bool) -> None:
    chain = market(version_1=version_1)
    await chain.advance(3)
    block = chain.block(chain.tip(Commitment.PROCESSED))
    assert block is not None
    plain, packed = (parse(block.json("full", encoding)).transactions for encoding in ("json", "base64"))
    assert [each.instructions for each in plain] == [each.instructions for each in packed]
    assert [each.accounts for each in plain] == [each.accounts for each in packed]
    assert {1 if version_1 else 0, None} <= {each.version for each in block.transactions}


async def test_blocks_of_recordings_hold_the_events_of_the_recordings() -> None:
    folder = DATA / "transactions"
    if not folder.is_dir():
        pytest.skip("no recordings beside this checkout")
    pieces = [piece.data for file in list_files(folder) for piece in read_pieces(file)]
    recordings = [transaction for piece in pieces for transaction in parse(piece).transactions]
    expected = {event.identity for each in recordings for event in decode(each).events}
    chain = Chain(recorded(folder), Mix(failed_share=0))
    await chain.run(10_000, until_exhausted=True)
    found = {event.identity for each in truth(chain) for event in each.events}
    assert found == expected
    assert len(found) > 20
    for block in chain.blocks(0, chain.slot):
        plain, packed = (parse(block.json("full", encoding)) for encoding in ("json", "base64"))
        assert not plain.unreadable
        assert [each.instructions for each in plain.transactions] == [each.instructions for each in packed.transactions]


async def test_the_same_seed_makes_the_same_chain_and_another_seed_another_one() -> None:
    hashes = []
    for seed in (1, 1, 2):
        chain = market(Mix(seed=seed, skipped_share=0.1))
        await chain.advance(20)
        chain.fork(5)
        hashes.append([(block.hash, len(block.transactions)) for block in chain.blocks(0, chain.slot)])
    assert hashes[0] == hashes[1] != hashes[2]


async def test_slots_that_are_skipped_not_there_yet_or_forgotten_are_told_by_their_codes() -> None:
    chain = market(Mix(skipped_share=0))
    await chain.advance(5)
    chain.skip(2)
    await chain.advance(4)
    skipped = chain.first_slot + 5
    async with serve_node(chain) as node:
        assert (await post(node, "getBlock", skipped, {"commitment": "confirmed"}))["error"]["code"] == -32004
        assert (await post(node, "getBlock", chain.slot, {"commitment": "confirmed"}))["error"]["code"] == -32004
        assert (await post(node, "getBlock", 7))["error"]["code"] == -32001
        await chain.advance(40)
        assert (await post(node, "getBlock", skipped))["error"]["code"] == -32007
        after = await post(node, "getBlock", skipped + 2, {"transactionDetails": "none"})
        assert after["result"]["parentSlot"] == skipped - 1
        assert (await post(node, "getBlock", "x"))["error"]["code"] == -32602
        assert (await post(node, "getBlock", skipped, {"commitment": "processed"}))["error"]["code"] == -32602
        assert (await post(node, "getNothing"))["error"]["code"] == -32601


async def test_old_blocks_are_forgotten_when_they_take_more_than_they_may() -> None:
    made = simulated(rate=40, tokens=10, started=STARTED)
    chain = Chain(made, Mix(skipped_share=0), keep_bytes=2_000_000)
    await chain.advance(120)
    kept = list(chain.blocks(0, chain.slot))
    assert 33 <= len(kept) < 100
    assert chain.first_slot == kept[0].slot
    assert chain.slot - chain.tip(Commitment.FINALIZED) == 31
    assert chain.find(kept[0].transactions[0].signature) is not None


async def test_a_client_that_does_not_know_version_1_is_refused_such_a_block() -> None:
    chain = market(version_1=True)
    await chain.advance(40)
    async with serve_node(chain) as node:
        slot = (await post(node, "getSlot"))["result"]
        error = (await post(node, "getBlock", slot, {"maxSupportedTransactionVersion": 0}))["error"]
        assert error["code"] == -32015
        assert error["message"].startswith("Transaction version (1) is not supported by the requesting client.")
        known = await post(node, "getBlock", slot, {"maxSupportedTransactionVersion": 1})
        assert len(known["result"]["transactions"]) > 0


async def test_a_transaction_is_found_by_signature_and_by_address() -> None:
    chain = market()
    await chain.advance(60)
    first = next(truth(chain))
    async with asking(chain) as (node, client):
        listed = await post(node, "getSignaturesForAddress", PUMP_FUN, {"limit": 1000})
        signatures = [each["signature"] for each in listed["result"]]
        assert first.signature == signatures[-1]
        failed = [each for each in listed["result"] if each["err"] is not None]
        assert 0.1 < len(failed) / len(signatures) < 0.5
        found = await post(node, "getTransaction", first.signature, {"maxSupportedTransactionVersion": 0})
        assert found["result"]["slot"] == first.slot
        assert found["result"]["transactionIndex"] == first.index
        assert (await client.get_genesis_hash()).value.to_json() is not None


async def test_accounts_say_what_the_last_trades_made_of_them() -> None:
    made = simulated(rate=400, tokens=3, count=800, started=STARTED)
    chain = Chain(made, Mix(failed_share=0))
    await chain.run(10_000, until_exhausted=True)
    trades = {trade.venue: trade for trade in true_trades(chain, last=chain.tip()).values() if trade.program == 1}
    launches = [event for each in truth(chain, last=chain.tip()) for event in each.events if isinstance(event, Launch)]
    assert len(trades) > 2
    async with asking(chain) as (_, client):
        for venue, trade in trades.items():
            account = (await client.get_account_info(Pubkey.from_string(venue), Confirmed)).value
            assert account is not None
            fields = read_account(str(account.owner), account.data).read.fields
            if not fields["complete"]:
                assert fields["virtual_quote_reserves"] == trade.virtual_quote_reserves
                assert fields["real_token_reserves"] == trade.real_base_reserves
        mint = (await client.get_account_info(Pubkey.from_string(launches[0].mint), Confirmed)).value
        assert mint is not None
        assert (launches[0].name or "?").encode() in mint.data


async def test_a_pool_is_there_from_its_creation_on_and_gone_when_a_fork_takes_it() -> None:
    made = {"pool": POOL, "base_mint": MINT, "quote_mint": WSOL, "coin_creator": CREATOR, "timestamp": STARTED}
    payload = event(PUMP_AMM, "CreatePoolEvent", **made)
    created = transaction(call(PUMP_AMM, "create_pool", pool=POOL, base_mint=MINT), self_cpi(PUMP_AMM, payload))
    chain = Chain(given([], [Writer().write(created)], []), Mix(skipped_share=0))
    await chain.advance(3)
    async with asking(chain) as (_, client):
        wanted = [Pubkey.from_string(each) for each in (POOL, key(77))]
        found = (await client.get_multiple_accounts(wanted, Processed)).value
        assert found[0] is not None
        fields = read_account(str(found[0].owner), found[0].data).read.fields
        assert (fields["base_mint"], fields["coin_creator"]) == (MINT, CREATOR)
        assert found[1] is None
        chain.fork(3, lambda landed: Fate.GOES)
        assert (await client.get_multiple_accounts(wanted, Processed)).value == [None, None]


async def test_a_fork_replaces_blocks_and_takes_back_what_went_with_them() -> None:
    chain = market(Mix(skipped_share=0, failed_share=0))
    await chain.advance(20)
    before = list(chain.blocks(chain.slot - 4, chain.slot))
    gone = before[2].transactions[0].signature
    moved = before[1].transactions[0].signature

    def fate(landed: Landed) -> Fate:
        return {gone: Fate.GOES, moved: Fate.MOVES}.get(landed.signature, Fate.STAYS)

    async with serve_node(chain) as node, connect(node.ws_url) as socket:
        await subscribe(socket, "slotSubscribe")
        chain.fork(5, fate, skipped_share=0)
        assert [each["slot"] for each in await notifications(socket, 5)] == [block.slot for block in before]
        after = list(chain.blocks(before[0].slot, chain.slot))
        assert {block.hash for block in before}.isdisjoint(block.hash for block in after)
        assert chain.find(gone) is None
        place = chain.find(moved)
        assert place is not None
        assert place[0].slot == before[2].slot
        assert after[0].previous_hash == before[0].previous_hash


async def test_watermarks_rise_behind_the_tip_and_a_lagging_node_says_so() -> None:
    chain = market(Mix(skipped_share=0))
    await chain.advance(50)
    async with serve_node(chain) as good, asking(chain) as (lagging, client):
        newest, confirmed, finalized = [
            (await client.get_slot(each)).value for each in (Processed, Confirmed, Finalized)
        ]
        assert newest == chain.slot
        assert 1 <= newest - confirmed <= 2
        assert newest - finalized == 31
        lagging.faults.lag, lagging.faults.genesis_hash = 10, "1" * 32
        assert (await client.get_slot(Processed)).value == newest - 10
        assert (await post(lagging, "getHealth"))["error"]["data"] == {"numSlotsBehind": 10}
        assert (await post(lagging, "getBlock", confirmed, {"commitment": "confirmed"}))["error"]["code"] == -32004
        assert (await post(good, "getHealth"))["result"] == "ok"
        assert (await post(good, "getGenesisHash"))["result"] != (await post(lagging, "getGenesisHash"))["result"]


async def test_logs_come_at_their_commitment_with_the_events_of_the_block() -> None:
    chain = market(Mix(skipped_share=0, failed_share=0.5))
    async with serve_node(chain) as node, connect(node.ws_url) as socket:
        await subscribe(socket, "logsSubscribe", {"mentions": [PUMP_FUN]}, {"commitment": "processed"})
        await chain.advance()
        block = chain.block(chain.slot)
        assert block is not None
        expected = [each for each in block.transactions if PUMP_FUN in each.mentions]
        heard = [each["value"] for each in await notifications(socket, len(expected))]
        assert [each["signature"] for each in heard] == [each.signature for each in expected]
        assert {each["err"] is None for each in heard} == {True, False}
        read = [
            event.identity
            for each in heard
            for t in parse(json.dumps(each).encode()).transactions
            for event in decode(t).events
        ]
        assert read == [event.identity for each in truth(chain) for event in each.events if event.program == 1]


async def test_roots_and_blocks_are_announced_and_unsubscribed() -> None:
    chain = market(Mix(skipped_share=0))
    await chain.advance(31)
    async with serve_node(chain) as node, connect(node.ws_url, max_size=None) as socket:
        roots = await subscribe(socket, "rootSubscribe")
        await chain.advance()
        assert await notifications(socket, 1) == [chain.first_slot]
        assert await subscribe(socket, "rootUnsubscribe", roots) is True
        filtered = {"mentionsAccountOrProgram": PUMP_FUN}
        await subscribe(
            socket, "blockSubscribe", filtered, {"maxSupportedTransactionVersion": 0, "commitment": "confirmed"}
        )
        await chain.advance(2)
        value = (await notifications(socket, 1))[0]["value"]
        block = chain.block(value["slot"])
        assert block is not None
        assert len(value["block"]["transactions"]) == sum(PUMP_FUN in each.mentions for each in block.transactions)


@pytest.mark.parametrize("kind", [Kind.CUT, Kind.RESET])
async def test_a_connection_is_cut_without_an_answer(kind: Kind) -> None:
    chain = market()
    async with serve_node(chain) as node:
        node.faults.add(kind, "getSlot", times=1)
        with pytest.raises(httpx.RemoteProtocolError if kind is Kind.CUT else httpx.ReadError):
            await post(node, "getSlot")
        assert "result" in await post(node, "getSlot")
        async with connect(node.ws_url) as socket:
            await subscribe(socket, "slotSubscribe")
            node.act(kind)
            with pytest.raises(ConnectionClosed):
                await asyncio.wait_for(socket.recv(), 5)


async def test_half_open_connections_say_nothing_and_do_not_end() -> None:
    chain = market()
    async with serve_node(chain) as node, connect(node.ws_url, close_timeout=0.1) as socket:
        await subscribe(socket, "slotSubscribe")
        node.act(Kind.HALF_OPEN)
        node.faults.add(Kind.HALF_OPEN, "getSlot")
        await chain.advance(3)
        waiting = asyncio.create_task(post(node, "getSlot"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.2)
        pong = await socket.ping()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(pong, 0.2)
        assert not waiting.done()
        waiting.cancel()


async def test_http_faults_happen_as_often_as_they_are_told_to() -> None:
    async with serve_node(market()) as node, httpx.AsyncClient() as client:
        node.faults.add(Kind.TOO_MANY, "getSlot", times=2, seconds=0.5)
        node.faults.add(Kind.STATUS, "getSlot", times=1, status=502)
        node.faults.add(Kind.MALFORMED, "getSlot", times=1)
        body = {"jsonrpc": "2.0", "id": 1, "method": "getSlot"}
        answers = [await client.post(node.http_url, json=body) for _ in range(5)]
        assert [each.status_code for each in answers] == [429, 429, 502, 200, 200]
        assert answers[0].headers["retry-after"] == "0.5"
        with pytest.raises(json.JSONDecodeError):
            answers[3].json()
        assert "result" in answers[4].json()


async def test_notifications_are_dropped_doubled_and_swapped() -> None:
    chain = market(Mix(skipped_share=0))
    async with serve_node(chain) as node, connect(node.ws_url) as socket:
        await subscribe(socket, "slotSubscribe")
        first = chain.slot + 1
        for kind in (Kind.DROP, Kind.DUPLICATE, Kind.REORDER):
            node.faults.add(kind, "slotNotification", times=1)
        await chain.advance(5)
        heard = [each["slot"] - first for each in await notifications(socket, 5)]
        assert heard == [1, 1, 3, 2, 4]


async def test_a_huge_block_is_of_mainnets_size_and_comes_compressed() -> None:
    chain = market(Mix(skipped_share=0))
    chain.pad(1, 1_000)
    await chain.advance(40)
    async with serve_node(chain) as node, httpx.AsyncClient() as client:
        params = [chain.first_slot, {"maxSupportedTransactionVersion": 0}]
        body = {"jsonrpc": "2.0", "id": 1, "method": "getBlock", "params": params}
        answer = await client.post(node.http_url, json=body)
        assert answer.headers["content-encoding"] == "gzip"
        assert len(answer.json()["result"]["transactions"]) == 1_000
        assert len(answer.content) > 2_500_000


async def test_a_batch_is_answered_call_by_call() -> None:
    async with serve_node(market()) as node, httpx.AsyncClient() as client:
        calls = [{"jsonrpc": "2.0", "id": at, "method": name} for at, name in enumerate(["getHealth", "getWealth"])]
        answers = (await client.post(node.http_url, json=calls)).json()
        assert [each["id"] for each in answers] == [0, 1]
        assert [next(iter(set(each) - {"jsonrpc", "id"})) for each in answers] == ["result", "error"]


async def test_a_chain_ends_by_finalizing_what_it_was_given() -> None:
    chain = market(trades=50)
    async with asyncio.timeout(5), serve_node(chain):
        await chain.run(1_000, until_exhausted=True)
    trades = true_trades(chain, last=chain.tip(Commitment.FINALIZED))
    assert len(trades) >= 50


async def test_a_node_of_another_process_is_told_what_to_do_and_tells_what_is_true() -> None:
    chain = market(Mix(skipped_share=0))
    await chain.advance(20)
    async with serve_node(chain) as node, httpx.AsyncClient(base_url=node.http_url) as client:
        order = {"fault": {"kind": "STATUS", "on": "getSlot", "times": 1, "status": 500}, "fork": 3, "skip": 1}
        before = chain.block(chain.slot)
        assert (await client.post("/control", json=order)).status_code == 200
        assert chain.block(chain.slot) is not before
        assert (await client.post("/", json={"method": "getSlot", "id": 1})).status_code == 500
        await chain.advance()
        assert chain.block(chain.slot) is None
        lines = (await client.get("/truth", params={"last": chain.slot - 1})).text.splitlines()
        told = {event["identity"] for line in lines for event in json.loads(line)["events"]}
        assert told == {event.identity.hex() for each in truth(chain) for event in each.events}
        refused = await client.post("/control", json={"fault": {"kind": "EXPLODE"}})
        assert refused.status_code == 400
        assert "EXPLODE" in refused.text
