"""Strawberry as its documentation sets it up: its ASGI app on uvicorn, a queue for each subscriber.

    python bench/peers/strawberry_stock.py PORT [DATABASE_URL]

The same schema, rows and feed as `common.mjs`.
"""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import asyncpg
import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route, WebSocketRoute
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader

PORT = int(sys.argv[1])
DATABASE = sys.argv[2] if len(sys.argv) > 2 else None
_COLUMNS = "mint, symbol, name, decimals, created_at, creator"
_queues: defaultdict[str, set[asyncio.Queue[dict[str, Any]]]] = defaultdict(set)


@strawberry.type
class Wallet:
    address: str


@strawberry.type
class Token:
    mint_address: str
    symbol: str | None
    name: str | None
    decimals: int
    created_at: str
    creator: Wallet | None


@strawberry.type
class TokenConnection:
    nodes: list[Token]


@strawberry.enum
class TradeSide(Enum):
    BUY = "BUY"
    SELL = "SELL"


@strawberry.type
class Trade:
    signature: str
    mint_address: str
    side: TradeSide
    price_sol: float | None
    quote_amount: str
    token_amount: str
    block_time: str
    trader_address: str
    trader: Wallet


class Memory:
    """Fifty tokens."""

    def __init__(self) -> None:
        self._tokens = [
            Token(
                mint_address=f"Mint{number:040d}",
                symbol=f"TOK{number}",
                name=f"Token number {number}",
                decimals=6,
                created_at=_shown(datetime.fromtimestamp(1_760_000_000 + number, UTC)),
                creator=Wallet(address="9WzDXwBbmkg8ZTbNMqUxvQRAyrZzDsGYdLVL9zYtAWWM"),
            )
            for number in range(50)
        ]

    async def some(self, mints: list[str]) -> list[Token | None]:
        by_mint = {token.mint_address: token for token in self._tokens}
        return [by_mint.get(mint) for mint in mints]

    async def newest(self, count: int) -> list[Token]:
        return self._tokens[:count]


class Store:
    """The tokens of Curvecast's own database."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool

    async def some(self, mints: list[str]) -> list[Token | None]:
        rows = await self._pool.fetch(f"SELECT {_COLUMNS} FROM tokens WHERE mint = ANY($1)", mints)
        by_mint = {row["mint"]: _token(row) for row in rows}
        return [by_mint.get(mint) for mint in mints]

    async def newest(self, count: int) -> list[Token]:
        query = f"SELECT {_COLUMNS} FROM tokens ORDER BY created_at DESC, id DESC LIMIT $1"
        return [_token(row) for row in await self._pool.fetch(query, count)]


def _token(row: asyncpg.Record) -> Token:
    creator = row["creator"]
    return Token(
        mint_address=row["mint"],
        symbol=row["symbol"],
        name=row["name"],
        decimals=row["decimals"],
        created_at=_shown(row["created_at"]),
        creator=None if creator is None else Wallet(address=creator),
    )


def _shown(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@strawberry.type
class Query:
    @strawberry.field
    async def token(self, info: strawberry.Info, mint_address: str) -> Token | None:
        found: Token | None = await info.context["tokens"].load(mint_address)
        return found

    @strawberry.field
    async def tokens(self, info: strawberry.Info, first: int = 50) -> TokenConnection:
        return TokenConnection(nodes=await info.context["store"].newest(first))


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def trades(self, mint_address: str) -> AsyncGenerator[Trade, None]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        _queues[mint_address].add(queue)
        try:
            while True:
                yield _trade(await queue.get())
        finally:
            _queues[mint_address].discard(queue)


def _trade(event: dict[str, Any]) -> Trade:
    return Trade(
        signature=event["signature"],
        mint_address=event["mintAddress"],
        side=TradeSide(event["side"]),
        price_sol=event["priceSol"],
        quote_amount=event["quoteAmount"],
        token_amount=event["tokenAmount"],
        block_time=event["blockTime"],
        trader_address=event["traderAddress"],
        trader=Wallet(address=event["trader"]["address"]),
    )


class Server(GraphQL[Any, Any]):
    store: Memory | Store

    async def get_context(self, request: Any, response: Any) -> dict[str, Any]:
        return {"store": self.store, "tokens": DataLoader(self.store.some)}


async def _feed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while line := await reader.readline():
        event = json.loads(line)
        for queue in _queues[event["mintAddress"]]:
            queue.put_nowait(event)
    writer.close()


def main() -> None:
    server = Server(strawberry.Schema(Query, subscription=Subscription))

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        server.store = Memory() if DATABASE is None else Store(await asyncpg.create_pool(DATABASE, max_size=10))
        async with await asyncio.start_server(_feed, "127.0.0.1", PORT + 1, limit=2**20):
            yield

    routes = [Route("/graphql", server), WebSocketRoute("/graphql", server)]
    uvicorn.run(Starlette(routes=routes, lifespan=lifespan), port=PORT, log_level="error", access_log=False)


if __name__ == "__main__":
    main()
