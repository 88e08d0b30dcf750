"""Lists of keys as one array parameter: the statement stays the same whatever their number, and is prepared once."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, any_, column, func, literal
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.selectable import TableValuedAlias
from sqlalchemy.types import TypeEngine


def among(column: ColumnElement[Any], values: Sequence[Any]) -> ColumnElement[bool]:
    """Whether the column equals one of `values`."""
    return column == any_(literal(list(values), ARRAY(column.type)))


def key_table(name: str, columns: dict[str, tuple[TypeEngine[Any], Sequence[Any]]]) -> TableValuedAlias:
    """A table made of parallel lists, by column name: `unnest(…) AS name(column, …)`."""
    arrays = [literal(list(values), ARRAY(kind)) for kind, values in columns.values()]
    described = [column(each, kind) for each, (kind, _) in columns.items()]
    return func.unnest(*arrays).table_valued(*described, name=name).render_derived(name=name)


INTEGER = BigInteger()
