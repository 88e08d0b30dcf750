"""A small schema with everything that a selection may meet, and ways to ask it."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Any, NewType

import msgspec
import strawberry
from aiodataloader import DataLoader
from graphql import execute, parse
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from app.errors import InvalidInput
from app.execution.errors import format_error

Even = NewType("Even", int)


@strawberry.enum
class Colour(Enum):
    RED = strawberry.enum_value("r", name="CRIMSON")
    GREEN = "g"


@dataclass
class Context:
    """What the resolvers below are given."""

    batches: list[list[int]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    held: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        async def double(keys: list[int]) -> list[int]:
            self.batches.append(keys)
            return [2 * key for key in keys]

        self.doubles: DataLoader[int, int] = DataLoader(double)


Info = strawberry.Info[Context, None]


@strawberry.interface
class Animal:
    name: str

    @classmethod
    def resolve_type(cls, value: Any, _info: Any, _type: Any) -> str:
        return "Cat" if value["name"] == "cat" else "Dog"

    @classmethod
    def is_type_of(cls, value: Any, _info: Any) -> bool:
        return bool(value["name"] != "impostor")


def _name(root: Any) -> str:
    return str(root["name"])


@strawberry.type
class Cat(Animal):
    name = strawberry.field(resolver=_name)
    lives = strawberry.field(resolver=lambda: 9, graphql_type=int)


@strawberry.type
class Dog(Animal):
    name = strawberry.field(resolver=_name)


@strawberry.input
class Size:
    width: int
    height: int = 3


@strawberry.type
class Thing:
    number: int
    text: str | None = None
    share: float = 0.5
    is_new: bool = True
    colour: Colour | None = Colour.RED
    even: Even | None = Even(2)
    grid: list[list[int | None]] = field(default_factory=lambda: [[1, None], [3]])
    strict: str = "here"

    @strawberry.field
    def thing(self, number: int = 7) -> "Thing":
        return Thing(number=number)

    @strawberry.field
    def maybe(self) -> "Thing | None":
        return None if self.number == 0 else Thing(number=self.number)

    @strawberry.field
    def area(self, size: Size, scale: Annotated[int, strawberry.argument(name="by")] = 1) -> int:
        return size.width * size.height * scale

    @strawberry.field
    async def double(self, info: Info) -> int:
        return await info.context.doubles.load(self.number)

    @strawberry.field
    async def at_once(self) -> int:
        return self.number

    @strawberry.field
    async def quadruple(self, info: Info) -> int:
        return await info.context.doubles.load(await info.context.doubles.load(self.number))

    @strawberry.field
    async def timed(self) -> int | None:
        async with asyncio.timeout(60):
            await asyncio.sleep(0)
            return self.number

    @strawberry.field
    async def held(self, info: Info) -> int | None:
        try:
            await info.context.gate.wait()
        finally:
            info.context.held.append("let go")
        return self.number

    @strawberry.field
    def broken(self) -> int | None:
        raise InvalidInput("This is always wrong.")

    @strawberry.field
    def broken_strictly(self) -> int:
        raise InvalidInput("This is always wrong.")

    @strawberry.field
    def returned_error(self) -> int | None:
        return InvalidInput("This was returned.")  # type: ignore[return-value]

    @strawberry.field
    def path(self, info: Info) -> str:
        return str(info.path.key)


@strawberry.type
class Query:
    @strawberry.field
    def thing(self, number: int = 1) -> Thing:
        return Thing(number=number)

    @strawberry.field
    def things(self, count: int = 3) -> list[Thing]:
        return [Thing(number=number) for number in range(1, count + 1)]

    @strawberry.field
    def wrong(self, what: str) -> Thing:
        return Thing(**{"number": 1, **_wrong()[what]})

    @strawberry.field
    def animals(self, names: list[str]) -> list[Animal]:
        return [{"name": name} for name in names]  # type: ignore[misc]

    @strawberry.field
    async def later(self) -> Thing:
        return Thing(number=5)


@strawberry.type
class Subscription:
    """Resolvers tell how a field is fed; what they return need be no stream."""

    @strawberry.subscription
    async def numbers(self, info: Info, start: int = 3) -> AsyncGenerator[Thing, None]:
        return {"start": start, "context": info.context}  # type: ignore[return-value]

    @strawberry.subscription
    async def refused(self) -> AsyncGenerator[int, None]:
        raise InvalidInput("Not from here.")

    @strawberry.subscription
    async def failed(self) -> AsyncGenerator[int, None]:
        raise RuntimeError("postgresql://user:secret@db/curvecast")


def _wrong() -> Mapping[str, dict[str, Any]]:
    return {
        "large": {"number": 2**31},
        "text for a number": {"number": "three"},
        "number in text": {"number": "3"},
        "no number": {"share": float("nan")},
        "infinite": {"share": float("inf")},
        "null": {"strict": None},
        "colour": {"colour": "blue"},
        "colour by value": {"colour": "g"},
        "odd": {"even": 3},
        "no list": {"grid": 5},
        "tuple": {"grid": ((1, 2), (3,))},
        "once": {"grid": iter([[1]])},
        "number as text": {"text": 5},
        "true as a number": {"number": True},
        "number as truth": {"is_new": 0},
        "whole share": {"share": 2},
    }


WRONG = tuple(_wrong())

schema = strawberry.Schema(
    Query,
    subscription=Subscription,
    types=[Cat, Dog],
    config=StrawberryConfig(
        scalar_map={Even: strawberry.scalar(name="Even", serialize=lambda value: None if value % 2 else str(value))}
    ),
)
CORE = schema._schema


async def by_graphql_core(query: str, variables: Mapping[str, Any], context: Context) -> bytes:
    result: Any = execute(
        CORE,
        parse(query),
        context_value=context,
        variable_values=dict(variables),
        executor_class=StrawberryGraphQLCoreExecutionContext,
    )
    result = await result if isinstance(result, Awaitable) else result
    errors = {"errors": [format_error(error) for error in result.errors]} if result.errors else {}
    return msgspec.json.encode(errors | {"data": result.data})
