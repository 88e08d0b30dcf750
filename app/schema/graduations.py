"""GraphQL type of a graduation, and pages of them."""

import strawberry

from app.domain.programs import Commitment, Protocol
from app.domain.records import GraduationRecord, PoolState, TokenRecord
from app.errors import NotIndexed
from app.schema.arguments import PageArguments
from app.schema.context import Context, Info
from app.schema.filters import token_clause
from app.schema.inputs import TokenFilter
from app.schema.lazy import LazyToken
from app.schema.nodes import Node, global_id
from app.schema.pagination import Page, part_of, to_page
from app.schema.pools import Pool
from app.schema.scalars import BigInt, DateTime
from app.store.graduations import read_graduation_page
from app.store.rows import to_time


def _id(event: strawberry.Parent[GraduationRecord]) -> strawberry.ID:
    return global_id("GraduationEvent", event.identity.hex())


def _cursor_of(event: GraduationRecord, context: Context) -> str:
    return context.cursors.encode(event.sequence, event.block_time, event.position, event.identity)


def _cursor(event: strawberry.Parent[GraduationRecord], info: Info) -> str:
    return _cursor_of(event, info.context)


async def _token(event: strawberry.Parent[GraduationRecord], info: Info) -> TokenRecord | None:
    return await info.context.loaders.token.load(event.mint)


async def _pool(event: strawberry.Parent[GraduationRecord], info: Info) -> PoolState | None:
    return await pool_at(info.context, event.pool)


async def pool_at(context: Context, address: str) -> PoolState | None:
    """The pool of that account; None where it is not indexed, or is no pool."""
    token = await context.loaders.token_of_venue.load(address)
    pools = token.pools if token is not None else ()
    return next((pool for pool in pools if pool.address == address), None)


def _moved(amount: int | None, event: GraduationRecord) -> BigInt:
    if amount is None:
        raise NotIndexed(f"The migration {event.signature} does not tell what it moved.")
    return BigInt(amount)


def _quote_amount(event: strawberry.Parent[GraduationRecord]) -> BigInt:
    return _moved(event.quote_amount, event)


def _token_amount(event: strawberry.Parent[GraduationRecord]) -> BigInt:
    return _moved(event.base_amount, event)


def _market_cap_usd(event: strawberry.Parent[GraduationRecord]) -> float | None:
    return None if event.market_cap_usd is None else float(event.market_cap_usd)


@strawberry.type(description="Move of a token's liquidity from its curve to an AMM.")
class GraduationEvent(Node):
    id = strawberry.field(resolver=_id, description="Opaque global id.")
    cursor = strawberry.field(resolver=_cursor, description="Resume point.")
    mint: str = strawberry.field(name="mintAddress", description="Mint address.")
    token = strawberry.field(resolver=_token, graphql_type=LazyToken, description="Token.")
    from_protocol: Protocol = strawberry.field(description="Program it left.")
    to_protocol: Protocol = strawberry.field(description="Program it went to.")
    pool = strawberry.field(resolver=_pool, graphql_type=Pool, description="New pool.")
    signature: str = strawberry.field(description="Transaction signature.")
    slot: BigInt = strawberry.field(description="Slot.")
    block_time: DateTime = strawberry.field(name="timestamp", description="Block time.")
    quote_amount = strawberry.field(resolver=_quote_amount, description="Quote moved, raw.")
    token_amount = strawberry.field(resolver=_token_amount, description="Tokens moved, raw.")
    market_cap_usd = strawberry.field(resolver=_market_cap_usd, description="Market cap at graduation in USD.")
    seconds_to_graduate: int | None = strawberry.field(description="Seconds between launch and graduation.")
    commitment: Commitment = strawberry.field(description="Certainty.")


async def graduation_page(context: Context, page: PageArguments, chosen: TokenFilter | None) -> Page[GraduationRecord]:
    """A page of graduations, newest first."""

    def key(text: str) -> tuple[object, ...]:
        cursor = context.cursors.decode(text)
        return to_time(cursor.block_time), cursor.position, cursor.identity

    loaders = context.loaders
    part = part_of(page, key)
    clause = token_clause(chosen, await loaders.head_time(), await loaders.rates()) if chosen else None
    found = await loaders.read(read_graduation_page, clause, part)
    return to_page(found, [_cursor_of(event, context) for event in found], page)
