"""The rows that the writer keeps in memory, and the one way they go to SQL and come back.

A struct has a table's columns as its fields, times as Unix seconds. Rows travel as one JSON array: msgspec writes it in
C and Postgres unpacks it into typed columns. One bound array per column was measured: no faster there, slower here.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Generic, TypeVar

import msgspec
from sqlalchemy import Column, DateTime, LargeBinary, Numeric, Table
from sqlalchemy.dialects import postgresql

from app.store import tables

ChainKey = tuple[int, int, bytes]
"""(block time, position, identity): chain order."""


class TokenRow(msgspec.Struct, kw_only=True, gc=False):
    id: int
    mint: str
    decimals: int
    name: str | None = None
    symbol: str | None = None
    uri: str | None = None
    creator: str | None = None
    protocol: int = 0
    quote_mint: str = ""
    quote_decimals: int = 0
    token_program: str | None = None
    total_supply: int | None = None
    created_at: int = 0
    created_position: int = 0
    launch_identity: bytes | None = None
    launch_signature: bytes | None = None
    launch_sequence: int | None = None
    stage: int = 1
    completed_at: int | None = None
    completed_sequence: int | None = None
    graduated_at: int | None = None
    price: Decimal | None = None
    price_kind: int = 1
    price_time: int = 0
    price_position: int = 0
    price_identity: bytes = b""
    price_commitment: int = 1
    last_trade_at: int | None = None
    trade_count: int = 0
    holders: int = 0
    ath_price_usd: Decimal | None = None
    ath_at: int | None = None
    atl_price_usd: Decimal | None = None
    atl_at: int | None = None
    as_of_time: int = 0
    as_of_position: int = 0
    as_of_commitment: int = 1
    origin_key: bytes = b""
    creator_key: bytes | None = None
    supply_key: bytes | None = None


class VenueRow(msgspec.Struct, kw_only=True, gc=False):
    id: int
    address: str
    token_id: int
    protocol: int
    kind: int
    config: str | None = None
    quote_mint: str
    quote_decimals: int
    is_inverted: bool | None = None
    created_at: int
    virtual_base_reserves: int | None = None
    virtual_quote_reserves: int | None = None
    real_base_reserves: int | None = None
    real_quote_reserves: int | None = None
    sqrt_price: int | None = None
    initial_real_base_reserves: int | None = None
    migration_threshold: int | None = None
    fee_bps: int | None = None
    as_of_time: int
    as_of_position: int
    as_of_identity: bytes
    as_of_commitment: int

    @property
    def as_of(self) -> ChainKey:
        return (self.as_of_time, self.as_of_position, self.as_of_identity)

    @property
    def has_state(self) -> bool:
        """Whether any event told its reserves or price; if not, `as_of` is its first record."""
        return self.sqrt_price is not None or self.virtual_base_reserves is not None


class GraduationRow(msgspec.Struct, kw_only=True, gc=False):
    identity: bytes
    block_time: int
    position: int
    sequence: int
    token_id: int
    signature: bytes
    ordinal: int
    commitment: int
    from_protocol: int
    to_protocol: int
    venue_id: int
    base_amount: int | None
    quote_amount: int | None
    market_cap_usd: Decimal | None = None


class AccountRow(msgspec.Struct, kw_only=True, gc=False):
    token_id: int
    account: str
    owner_id: int
    amount: int
    is_vault: bool
    as_of_time: int
    as_of_position: int
    as_of_identity: bytes

    @property
    def as_of(self) -> ChainKey:
        return (self.as_of_time, self.as_of_position, self.as_of_identity)


class CandleRow(msgspec.Struct, kw_only=True, gc=False):
    token_id: int
    kind: int
    bucket: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    open_time: int
    open_position: int
    open_identity: bytes
    close_time: int
    close_position: int
    close_identity: bytes
    volume: Decimal
    buy_volume: Decimal
    open_usd: Decimal | None
    high_usd: Decimal | None
    low_usd: Decimal | None
    close_usd: Decimal | None
    volume_usd: Decimal
    buy_volume_usd: Decimal
    trades: int
    buys: int
    usd_trades: int
    widths: int = 0
    """No column: which tables take the row, as bits in the order of `CANDLES`."""


class TokenMotion(msgspec.Struct, gc=False):
    """Of a `TokenRow`, what nearly every trade changes; all else is at rest."""

    id: int
    price: Decimal | None
    price_kind: int
    price_time: int
    price_position: int
    price_identity: bytes
    price_commitment: int
    last_trade_at: int | None
    trade_count: int
    holders: int
    ath_price_usd: Decimal | None
    ath_at: int | None
    atl_price_usd: Decimal | None
    atl_at: int | None
    as_of_time: int
    as_of_position: int
    as_of_commitment: int
    creator_key: bytes | None
    supply_key: bytes | None


class VenueMotion(msgspec.Struct, gc=False):
    """Of a `VenueRow`, what nearly every trade changes; all else is at rest."""

    id: int
    virtual_base_reserves: int | None
    virtual_quote_reserves: int | None
    real_base_reserves: int | None
    real_quote_reserves: int | None
    sqrt_price: int | None
    fee_bps: int | None
    as_of_time: int
    as_of_position: int
    as_of_identity: bytes
    as_of_commitment: int


class TraderRow(msgspec.Struct, kw_only=True, gc=False):
    token_id: int
    trader_id: int
    first_time: int
    first_position: int
    first_identity: bytes


Row = TypeVar("Row", bound=msgspec.Struct)


class Rows(Generic[Row]):
    """A table and the struct of its rows."""

    def __init__(self, table: Table, row: type[Row]) -> None:
        self.columns = [table.c[name] for name in row.__struct_fields__ if name in table.c]
        self.table = table
        self._decoder = msgspec.json.Decoder(list[row])  # type: ignore[valid-type]

    def source(self, parameter: int = 1) -> str:
        """`SELECT` of the rows that `encode` gave as that parameter."""
        return f"SELECT {', '.join(value for _, value in self.values)} FROM {self.given(parameter)}"

    @property
    def values(self) -> list[tuple[str, str]]:
        """Name and value of each column, as SQL, from a row of `given`."""
        return [(quoted(column), from_json(column)) for column in self.columns]

    def given(self, parameter: int = 1, *more: str) -> str:
        """The same for `FROM`, with values as JSON holds them; `more` declares fields that are no columns."""
        declared = ", ".join([*(f"{quoted(column)} {_json_type(column)}" for column in self.columns), *more])
        return f"json_to_recordset(${parameter}::text::json) AS given({declared})"

    @property
    def names(self) -> str:
        return ", ".join(quoted(column) for column in self.columns)

    def upsert(self, parameter: int = 1) -> str:
        """Inserts the rows of a parameter; a row of the same primary key takes all their values."""
        keys = ", ".join(quoted(column) for column in self.table.primary_key.columns)
        others = [quoted(column) for column in self.columns if not column.primary_key]
        changes = ", ".join(f"{name} = excluded.{name}" for name in others)
        return (
            f"INSERT INTO {self.table.name} ({self.names}) {self.source(parameter)}"
            f" ON CONFLICT ({keys}) DO UPDATE SET {changes}"
        )

    def update(self, parameter: int = 1) -> str:
        """Gives the stored rows the values of a parameter; the table's key is `id`."""
        changes = ", ".join(f"{quoted(column)} = {from_json(column, 'given.')}" for column in self.columns[1:])
        return f"UPDATE {self.table.name} AS t SET {changes} FROM {self.given(parameter)} WHERE t.id = given.id"

    @property
    def as_array(self) -> str:
        """All rows as one JSON array, as text whatever codec the connection has for json; `decode` reads it."""
        pairs = ", ".join(f"'{column.name}', {_to_json(column)}" for column in self.columns)
        return f"json_agg(json_build_object({pairs}))::text"

    def encode(self, rows: Sequence[Row]) -> str:
        return msgspec.json.encode(rows).decode()

    def decode(self, array: str | None) -> list[Row]:
        return [] if array is None else self._decoder.decode(array)


def quoted(column: Column[Any]) -> str:
    """The column's name for SQL: one is called `window`."""
    return f'"{column.name}"'


def _json_type(column: Column[Any]) -> str:
    if isinstance(column.type, DateTime):
        return "bigint"
    if isinstance(column.type, LargeBinary):
        return "text"
    return str(column.type.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]


def from_json(column: Column[Any], row: str = "") -> str:
    """SQL of the column's value, from a row of `Rows.given`."""
    name = f"{row}{quoted(column)}"
    if isinstance(column.type, DateTime):
        return f"to_timestamp({name})"
    if isinstance(column.type, LargeBinary):
        return f"decode({name}, 'base64')"
    return name


def _to_json(column: Column[Any]) -> str:
    name = f"{column.table.name}.{quoted(column)}"
    if isinstance(column.type, DateTime):
        return f"extract(epoch FROM {name})::bigint"
    if isinstance(column.type, LargeBinary):
        return rf"translate(encode({name}, 'base64'), E'\n', '')"
    if isinstance(column.type, Numeric) and column.type.scale is None:
        return f"{name}::text"  # a price: exact as Decimal
    return name


TOKENS = Rows(tables.tokens, TokenRow)
VENUES = Rows(tables.venues, VenueRow)
MOVED_TOKENS = Rows(tables.tokens, TokenMotion)
MOVED_VENUES = Rows(tables.venues, VenueMotion)
GRADUATIONS = Rows(tables.graduations, GraduationRow)
ACCOUNTS = Rows(tables.token_accounts, AccountRow)
TRADERS = Rows(tables.token_traders, TraderRow)
CANDLES = {
    60: Rows(tables.candles_1m, CandleRow),
    3_600: Rows(tables.candles_1h, CandleRow),
    86_400: Rows(tables.candles_1d, CandleRow),
}
"""By width in seconds."""
