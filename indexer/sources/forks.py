"""Where a branch of the chain leaves what was delivered: a walk back along the blocks' own links."""

from typing import Final, NamedTuple

from app.domain.programs import Commitment
from app.errors import ForkTooDeep
from indexer.rpc.answers import GONE, RpcError
from indexer.rpc.block import Link
from indexer.rpc.node import Node
from indexer.sources.unfinalized import Point, Unfinalized

_LONGEST_WALK: Final = 1_000


class Branch(NamedTuple):
    """A way from what was delivered to a block that does not follow the tip."""

    leaves: Point
    """The last common block; where there is none, the block before the branch's oldest."""
    slots: tuple[int, ...]
    """Of its blocks, without the one that was asked about, oldest first."""


class Unsteady(Exception):
    """Nodes told of a block and then of a chain without it: ask again."""


class Hole(Exception):
    """No node has a block on the way."""


async def find_branch(node: Node, chain: Unfinalized, link: Link, commitment: Commitment) -> Branch:
    """Walks back from a block. Raises ForkTooDeep, Unsteady, Hole; SourceLost when no node serves."""
    slots: list[int] = []
    while not chain.holds(link.parent_slot, link.parent_hash):
        if link.parent_slot <= chain.base.slot and (chain.is_based or link.parent_slot < chain.base.slot):
            _check_depth(chain, link)
            break
        if len(slots) >= _LONGEST_WALK:
            raise Hole
        link = await _parent(node, link, commitment)
        slots.append(link.slot)
    return Branch(Point(link.parent_slot, link.parent_hash), tuple(reversed(slots)))


async def _parent(node: Node, link: Link, commitment: Commitment) -> Link:
    try:
        parent = await node.link(link.parent_slot, commitment)
    except RpcError as error:
        raise (Hole if error.number in GONE else Unsteady) from error
    if parent is None or parent.blockhash != link.parent_hash:
        raise Unsteady
    return parent


def _check_depth(chain: Unfinalized, link: Link) -> None:
    if chain.is_based:
        raise ForkTooDeep(
            f"the chain changed deeper than what is final: block {link.slot} follows slot {link.parent_slot}, but slot"
            f" {chain.base.slot} was final and stored. Nothing was deleted. Look whether CURVECAST_RPC_URLS names"
            " another ledger than before; to index this one, use an empty database."
        )
