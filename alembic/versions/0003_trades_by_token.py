"""Trades by token: their key names the token; on TimescaleDB they are compressed by it, and aggregated by venue."""

from alembic import op
from sqlalchemy import text

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    is_hypertable = _is_hypertable()
    if is_hypertable:
        _take_down()
    _set_key("block_time, identity, token_id")
    if is_hypertable:
        _compress()
        _aggregate()


def downgrade() -> None:
    if _is_hypertable():
        _take_down()
    _set_key("block_time, identity")


def _is_hypertable() -> bool:
    """Whether the first migration found TimescaleDB: else the trades are partitioned natively."""
    return op.get_bind().scalar(text("SELECT relkind = 'r' FROM pg_class WHERE oid = 'trades'::regclass")) is True


def _set_key(columns: str) -> None:
    """With the token in the key, TimescaleDB looks for a duplicate of a late trade only in the compressed rows of its
    token. Without, it read those of all tokens: 4 ms for each late trade into a day of 150,000."""
    op.execute("ALTER TABLE trades DROP CONSTRAINT pk_trades")
    op.execute(f"ALTER TABLE trades ADD CONSTRAINT pk_trades PRIMARY KEY ({columns})")


def _take_down() -> None:
    """No aggregates, nothing compressed: the key of a hypertable can only be changed then.

    Policies first: deleting one ends its run, which would else be in the way of what follows.
    """
    op.execute(
        "SELECT delete_job(job_id) FROM timescaledb_information.jobs WHERE hypertable_name LIKE 'trades%'"
        " AND proc_name IN ('policy_compression', 'policy_refresh_continuous_aggregate')"
    )
    op.execute("DROP MATERIALIZED VIEW IF EXISTS trades_cagg_1m CASCADE")  # and those over it
    op.execute(
        "SELECT decompress_chunk(format('%I.%I', chunk_schema, chunk_name)::regclass)"
        " FROM timescaledb_information.chunks WHERE hypertable_name = 'trades' AND is_compressed"
    )
    op.execute("ALTER TABLE trades SET (timescaledb.compress = false)")


def _compress() -> None:
    """By token, in chain order. Of a column in the order the lowest and highest value are kept for each thousand rows:
    that is why `sequence` is there, for reads of the feed, which name no time."""
    op.execute(
        "ALTER TABLE trades SET (timescaledb.compress, timescaledb.compress_segmentby = 'token_id',"
        " timescaledb.compress_orderby = 'block_time DESC, position DESC, identity DESC, sequence DESC')"
    )
    op.execute("SELECT add_compression_policy('trades', INTERVAL '7 days')")


def _aggregate() -> None:
    """Aggregates 1m, 5m, 15m, 1h, 1d of each venue, each over the one before, real-time; prices and amounts are raw.

    By venue, because raw prices of venues with other quote mints cannot be mixed. Open and close by the whole chain
    order, because `position` alone is not one where a source tells no slot. Refreshed behind the newest whole bucket:
    what is newer is computed from the trades when it is read. A refresh looks 8 days back, no further: beyond that,
    aggregates outlive the trades that retention drops.
    """
    source, columns, key, condition = "trades", _FROM_TRADES, "block_time", f"WHERE {_HAS_SPOT}"
    for name, width in (
        ("1m", "1 minute"),
        ("5m", "5 minutes"),
        ("15m", "15 minutes"),
        ("1h", "1 hour"),
        ("1d", "1 day"),
    ):
        view = f"trades_cagg_{name}"
        op.execute(
            f"CREATE MATERIALIZED VIEW {view} WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS"
            f" SELECT token_id, venue_id, time_bucket(INTERVAL '{width}', {key}) AS bucket, {columns}"
            f" FROM {source} {condition} GROUP BY 1, 2, 3 WITH NO DATA"
        )
        op.execute(
            f"SELECT add_continuous_aggregate_policy('{view}', start_offset => INTERVAL '8 days',"
            f" end_offset => INTERVAL '{width}', schedule_interval => INTERVAL '5 minutes')"
        )
        source, columns, key, condition = view, _FROM_FINER, "bucket", ""


_HAS_SPOT = "(sqrt_price IS NOT NULL OR virtual_quote_reserves IS NOT NULL AND virtual_base_reserves > 0)"
_SPOT = """
CASE WHEN sqrt_price IS NOT NULL
    THEN sqrt_price::numeric(79, 40) * sqrt_price / 340282366920938463463374607431768211456
    ELSE virtual_quote_reserves::numeric(60, 40) / nullif(virtual_base_reserves, 0) END"""
"""`app.store.measures.spot_price`, not yet scaled by decimals. The divisor is 2^128."""
_KEY = "timestamptz_send(block_time) || int8send(position) || identity"
"""Chain order as bytes that sort like it. PostgreSQL 16 and 17 have no min and max of bytes: hence first and last."""
_FROM_TRADES = f"""
first({_SPOT}, {_KEY}) AS open, max({_SPOT}) AS high, min({_SPOT}) AS low, last({_SPOT}, {_KEY}) AS close,
first({_KEY}, {_KEY}) AS open_key, last({_KEY}, {_KEY}) AS close_key,
sum(quote_amount) AS quote_amount, count(*) AS trades"""
_FROM_FINER = """
first(open, open_key) AS open, max(high) AS high, min(low) AS low, last(close, close_key) AS close,
first(open_key, open_key) AS open_key, last(close_key, close_key) AS close_key,
sum(quote_amount) AS quote_amount, sum(trades) AS trades"""
