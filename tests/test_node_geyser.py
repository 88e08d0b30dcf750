"""The test node's Yellowstone face, asked by grpcio's own client."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_tools import protoc

from app.domain.programs import PUMP_FUN, Commitment
from indexer import base58
from indexer.sources.geyser import geyser_pb2 as pb
from node.chain import Chain, Mix
from node.faults import Kind
from node.material import simulated
from node.serving import Node, serve_node
from node.yellowstone import Geyser, serve_geyser

SECONDS = 5
QUIET = Mix(skipped_share=0, failed_share=0.3)


def market() -> Chain:
    return Chain(simulated(rate=40, tokens=10, count=400, started=1_790_000_000), QUIET)


@asynccontextmanager
async def serving(chain: Chain) -> AsyncIterator[tuple[Node, Geyser, grpc.aio.Channel]]:
    async with (
        serve_node(chain) as node,
        serve_geyser(node, ping_seconds=0.05) as geyser,
        grpc.aio.insecure_channel(geyser.url.removeprefix("http://")) as channel,
    ):
        yield node, geyser, channel


def call(channel: grpc.aio.Channel, name: str, answer: Any) -> Any:
    return channel.unary_unary(f"/geyser.Geyser/{name}", lambda m: m.SerializeToString(), answer.FromString)


class Client:
    """One Subscribe stream."""

    def __init__(self, channel: grpc.aio.Channel, request: pb.SubscribeRequest) -> None:
        subscribe = channel.stream_stream(
            "/geyser.Geyser/Subscribe",
            request_serializer=pb.SubscribeRequest.SerializeToString,
            response_deserializer=pb.SubscribeUpdate.FromString,
        )
        self.stream = subscribe()
        self.request = request

    async def open(self, geyser: Geyser) -> "Client":
        before = len(geyser.subscriptions)
        await self.stream.write(self.request)
        async with asyncio.timeout(SECONDS):
            while len(geyser.subscriptions) == before:
                await asyncio.sleep(0.005)
        return self

    async def take(self, kind: str, wanted: int) -> list[pb.SubscribeUpdate]:
        """The next updates of a kind; others are passed over."""
        found: list[pb.SubscribeUpdate] = []
        async with asyncio.timeout(SECONDS):
            while len(found) < wanted:
                update = await self.stream.read()
                assert isinstance(update, pb.SubscribeUpdate), "the stream ended"
                if update.WhichOneof("update_oneof") == kind:
                    found.append(update)
        return found


def request(**fields: Any) -> pb.SubscribeRequest:
    wanted = pb.SubscribeRequestFilterTransactions(account_include=[PUMP_FUN], failed=False, vote=False)
    made = {"transactions": {"ours": wanted}, "blocks_meta": {"all": pb.SubscribeRequestFilterBlocksMeta()}}
    return pb.SubscribeRequest(**{**made, "commitment": pb.CONFIRMED, **fields})


async def test_a_subscriber_gets_the_transactions_of_confirmed_blocks_then_their_meta() -> None:
    chain = market()
    async with serving(chain) as (_, geyser, channel):
        client = await Client(channel, request()).open(geyser)
        await chain.advance(4)
        metas = [update.block_meta for update in await client.take("block_meta", 2)]
        assert [meta.slot for meta in metas] == [chain.first_slot, chain.first_slot + 1]
        assert metas[1].parent_blockhash == metas[0].blockhash
        block = chain.block(metas[0].slot)
        assert block is not None
        assert metas[0].executed_transaction_count == len(block.transactions)
        again = await Client(channel, request(from_slot=chain.first_slot)).open(geyser)
        expected = [each for each in block.transactions if PUMP_FUN in each.mentions and each.error is None]
        updates = await again.take("transaction", len(expected))
        infos = [update.transaction.transaction for update in updates]
        assert [base58.encode(info.signature) for info in infos] == [each.signature for each in expected]
        assert [block.transactions[info.index] for info in infos] == expected
        keys = {*infos[0].transaction.message.account_keys, *infos[0].meta.loaded_writable_addresses}
        keys |= set(infos[0].meta.loaded_readonly_addresses)
        assert keys == {base58.address_bytes(key) for key in expected[0].mentions}


async def test_from_slot_goes_on_without_a_hole_and_refuses_what_is_forgotten() -> None:
    chain = market()
    await chain.advance(40)
    async with serving(chain) as (_, geyser, channel):
        geyser.replay_slots = 20
        client = await Client(channel, request(from_slot=chain.slot - 10)).open(geyser)
        await chain.advance(5)
        slots = [update.block_meta.slot for update in await client.take("block_meta", 12)]
        assert slots[0] == chain.slot - 15
        assert all(after == before + 1 for before, after in pairwise(slots))
        late = await Client(channel, request(from_slot=chain.slot - 30)).open(geyser)
        with pytest.raises(grpc.aio.AioRpcError, match="is not available, last available"):
            await late.take("block_meta", 1)


async def test_slots_are_told_at_every_commitment_or_only_the_asked_one() -> None:
    chain = market()
    await chain.advance(33)
    async with serving(chain) as (_, geyser, channel):
        every = request(slots={"all": pb.SubscribeRequestFilterSlots()})
        one = request(slots={"one": pb.SubscribeRequestFilterSlots(filter_by_commitment=True)})
        clients = [await Client(channel, each).open(geyser) for each in (every, one)]
        await chain.advance(4)
        heard = [[update.slot.status for update in await client.take("slot", 4)] for client in clients]
        assert set(heard[0]) == {pb.SLOT_PROCESSED, pb.SLOT_CONFIRMED, pb.SLOT_FINALIZED}
        assert set(heard[1]) == {pb.SLOT_CONFIRMED}


async def test_pings_come_and_are_answered() -> None:
    chain = market()
    async with serving(chain) as (_, geyser, channel):
        client = await Client(channel, request()).open(geyser)
        await client.take("ping", 2)
        await client.stream.write(pb.SubscribeRequest(ping=pb.SubscribeRequestPing(id=7)))
        assert (await client.take("pong", 1))[0].pong.id == 7


async def test_small_calls_tell_where_the_node_is() -> None:
    chain = market()
    await chain.advance(40)
    async with serving(chain) as (node, _, channel):
        get_slot = call(channel, "GetSlot", pb.GetSlotResponse)
        assert (await get_slot(pb.GetSlotRequest(commitment=pb.FINALIZED))).slot == chain.tip(Commitment.FINALIZED)
        node.faults.lag = 5
        assert (await get_slot(pb.GetSlotRequest())).slot == chain.slot - 5
        latest = call(channel, "GetLatestBlockhash", pb.GetLatestBlockhashResponse)
        block = chain.block(chain.slot - 5)
        assert block is not None
        assert (await latest(pb.GetLatestBlockhashRequest())).blockhash == block.hash
        version = call(channel, "GetVersion", pb.GetVersionResponse)
        assert "version" in (await version(pb.GetVersionRequest())).version
        assert (await call(channel, "Ping", pb.PongResponse)(pb.PingRequest(count=3))).count == 3


async def test_a_wrong_token_is_refused() -> None:
    async with serving(market()) as (node, _, channel):
        node.faults.token = "secret"
        get_slot = call(channel, "GetSlot", pb.GetSlotResponse)
        with pytest.raises(grpc.aio.AioRpcError, match="No valid auth token"):
            await get_slot(pb.GetSlotRequest(), metadata=(("x-token", "guess"),))
        assert (await get_slot(pb.GetSlotRequest(), metadata=(("x-token", "secret"),))).slot > 0


async def test_streams_are_cut_frozen_and_lose_messages_as_scripted() -> None:
    chain = market()
    async with serving(chain) as (node, geyser, channel):
        client = await Client(channel, request()).open(geyser)
        node.faults.add(Kind.DROP, "block_meta", times=1)
        node.faults.add(Kind.DUPLICATE, "block_meta", times=1)
        await chain.advance(6)
        slots = [update.block_meta.slot - chain.first_slot for update in await client.take("block_meta", 3)]
        assert slots == [1, 1, 2]
        node.act(Kind.RESET)
        with pytest.raises(grpc.aio.AioRpcError, match="connection reset"):
            await client.take("pong", 1)
        frozen = await Client(channel, request()).open(geyser)
        node.act(Kind.HALF_OPEN)
        await frozen.stream.write(pb.SubscribeRequest(ping=pb.SubscribeRequestPing(id=1)))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(frozen.take("pong", 1), 0.3)
        node.faults.add(Kind.TOO_MANY, "Subscribe", times=1)
        refused = Client(channel, request())
        with pytest.raises(grpc.aio.AioRpcError, match="too many"):
            await refused.take("ping", 1)


def test_the_generated_code_is_that_of_the_proto(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parent.parent
    name = "indexer/sources/geyser/geyser"
    command = ["protoc", f"-I{root}", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", f"{root}/{name}.proto"]
    assert protoc.main([*command, f"-I{protoc.__file__.rsplit('/', 1)[0]}/_proto"]) == 0
    for suffix in ("_pb2.py", "_pb2.pyi"):
        assert (tmp_path / f"{name}{suffix}").read_text() == (root / f"{name}{suffix}").read_text(), "run `make proto`"
