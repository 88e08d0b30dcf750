"""Schema directives: facts about fields that the limiter reads and clients may see."""

import strawberry
from strawberry.schema_directive import Location


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="cost",
    description="Static cost of a field, read by the query-cost limiter; multiplied by the named slicing argument.",
)
class Cost:
    """`multiplier` names the argument whose value (or length) multiplies `weight` and the cost of what is selected."""

    weight: int
    multiplier: str | None = strawberry.UNSET
