"""Blocks that a node lists and may not have yet: asked for again, for a while, before they are said not to be there."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from app.domain.programs import Commitment
from indexer.rpc.answers import GONE, NOT_YET, SKIPPED, TOO_NEW, RpcError
from indexer.rpc.block import Block, Link
from indexer.rpc.node import Node

T = TypeVar("T")
_TRIES: Final = 8
_RETRY_SECONDS: Final = 0.25


async def fetch_block(node: Node, slot: int, commitment: Commitment) -> Block | None:
    """The block, without transactions where nodes refuse them; None when no node has it. Raises SourceLost."""
    try:
        return await _patiently(lambda: node.block(slot, commitment))
    except RpcError as error:
        if error.number != TOO_NEW:
            raise
    link = await fetch_link(node, slot, commitment)
    if link is None:
        return None
    return Block(link, (), missing="the block holds transactions of a version newer than known here")


async def fetch_link(node: Node, slot: int, commitment: Commitment) -> Link | None:
    """A block's place in the chain; None when no node has it. Raises SourceLost."""
    return await _patiently(lambda: node.link(slot, commitment))


async def _patiently(ask: Callable[[], Awaitable[T | None]]) -> T | None:
    for _ in range(_TRIES):
        try:
            if (found := await ask()) is not None:
                return found
        except RpcError as error:
            if error.number in SKIPPED | GONE:
                return None
            if error.number not in NOT_YET:
                raise
        await asyncio.sleep(_RETRY_SECONDS)
    return None
