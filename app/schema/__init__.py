"""The GraphQL schema: what clients see of the store and of the live feed."""

from graphql import GraphQLSchema
from strawberry import Schema
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig

from app.schema.query import Query
from app.schema.scalars import SCALARS
from app.schema.subscription import Subscription

_DESCRIPTION = """
Curvecast: live launchpad markets on Solana (pump.fun, PumpSwap, Meteora DBC).

Conventions
- Addresses are `String` in base58 everywhere, never a custom scalar, so that one `$mint: String!`
  variable can be used with every field.
- Raw on-chain amounts are `BigInt` (strings on the wire); display numbers are `Float`; every price also
  has an exact `BigDecimal` twin. Nothing rounds a 1e-8 price to zero.
- Times are `DateTime` (UTC). Chart arguments and `Candle.time` are Unix seconds.
- Lists page by Relay connections; a page holds at most 200 nodes (`MAX_PAGE_SIZE` otherwise).
- Streams resume by the opaque cursor that every stream payload and every `Trade` carries.
- Deprecation: `@deprecated(reason: "Use X. Removed after YYYY-MM-DD.")`, at least 180 days ahead; a field
  marked (original) is never deprecated or changed; new arguments are always optional.
""".strip()

schema = Schema(query=Query, subscription=Subscription, config=StrawberryConfig(scalar_map=SCALARS))
core_schema: GraphQLSchema = schema._schema
core_schema.description = _DESCRIPTION


def sdl() -> str:
    """The contract as `graphql/schema.graphql` holds it: directives, root types, then all types by name."""
    roots = "schema {\n  query: Query\n  subscription: Subscription\n}"
    # Directives of the GraphQL specification itself are not declared again.
    types = print_schema(schema).replace("directive @oneOf on INPUT_OBJECT\n\n", "")
    return f'"""\n{_DESCRIPTION}\n"""\n{roots}\n\n{types}\n'
