"""Names of types that refer to each other in a circle; Strawberry resolves them when the schema is built."""

from typing import TYPE_CHECKING, Annotated

import strawberry

if TYPE_CHECKING:
    from app.schema.graduations import GraduationEvent
    from app.schema.tokens import Token
    from app.schema.trades import Trade

LazyToken = Annotated["Token", strawberry.lazy("app.schema.tokens")]
LazyTrade = Annotated["Trade", strawberry.lazy("app.schema.trades")]
LazyGraduationEvent = Annotated["GraduationEvent", strawberry.lazy("app.schema.graduations")]
