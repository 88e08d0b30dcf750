"""The first store: every table of app/store/tables.py, the store's id, and what TimescaleDB adds where it is there."""

# ruff: noqa: E501 (table comments, word for word as in tables.py)
import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_tables()
    for name in ("candles_1m", "candles_1h", "candles_1d"):
        _create_candles(name)
    for name in ("tokens", "venues", "token_accounts"):
        op.execute(f"ALTER TABLE {name} SET (fillfactor = 80)")
    op.execute(f"INSERT INTO meta (key, value) VALUES ('store_id', '{secrets.token_hex(16)}')")
    if _has_timescale():
        _add_timescale()


def downgrade() -> None:
    for name in reversed(TABLES):
        op.drop_table(name)


TABLES = (
    "checkpoints",
    "dead_letters",
    "feed",
    "meta",
    "rates",
    "token_accounts",
    "token_stats",
    "token_traders",
    "tokens",
    "trades",
    "wallets",
    "venues",
    "graduations",
    "candles_1m",
    "candles_1h",
    "candles_1d",
)
"""In the order of their creation."""


def _has_timescale() -> bool:
    """Whether the server has loaded TimescaleDB: being installed is not enough, it must be preloaded."""
    return "timescaledb" in op.get_bind().scalar(sa.text("SHOW shared_preload_libraries"))


def _add_timescale() -> None:
    """The trades as a hypertable of days. Compression and aggregates follow in a later migration."""
    op.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    op.execute(
        "SELECT create_hypertable('trades', by_range('block_time', INTERVAL '1 day'), create_default_indexes => false)"
    )


def _create_tables() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_checkpoints")),
        comment="How far each source has come; `state` is the source's own resume token, opaque to the store.",
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.BigInteger(), autoincrement=True, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=True),
        sa.Column("slot", sa.BigInteger(), nullable=True),
        sa.Column("program", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("transaction", sa.LargeBinary(), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
        sa.UniqueConstraint("key", name=op.f("uq_dead_letters_key")),
        comment="What a known program emitted and we could not decode; `transaction` is msgpack of it, to be re-driven.",
    )
    op.create_table(
        "feed",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("head_slot", sa.BigInteger(), nullable=False),
        sa.Column("head_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("head_commitment", sa.SmallInteger(), nullable=False),
        sa.Column("finalized_slot", sa.BigInteger(), nullable=True),
        sa.Column("finalized_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("is_simulated", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed")),
        comment="One row (id 1): newest sequence and head, written with every batch.",
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
        comment="Facts about this store: `store_id`, which cursors are bound to.",
    )
    op.create_table(
        "rates",
        sa.Column("quote_mint", sa.Text(), nullable=False),
        sa.Column("time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("usd", sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint("quote_mint", "time", name=op.f("pk_rates")),
    )
    op.create_table(
        "token_accounts",
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("amount", sa.Numeric(precision=20, scale=0), nullable=False),
        sa.Column("is_vault", sa.Boolean(), nullable=False),
        sa.Column("as_of_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("as_of_position", sa.BigInteger(), nullable=False),
        sa.Column("as_of_identity", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("token_id", "account", name=op.f("pk_token_accounts")),
        comment="Balances of launched tokens from the transactions' post balances; newest in chain order wins.",
    )
    op.create_index("ix_token_accounts_amount", "token_accounts", ["token_id", "amount"], unique=False)
    op.create_index("ix_token_accounts_owner", "token_accounts", ["token_id", "owner_id"], unique=False)
    op.create_table(
        "token_stats",
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("window", sa.Integer(), nullable=False),
        sa.Column("volume_usd", sa.Numeric(), nullable=False),
        sa.Column("volume", sa.Numeric(), nullable=False),
        sa.Column("trade_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("token_id", "window", name=op.f("pk_token_stats")),
        comment="Volume and trades of each token in each StatsWindow (seconds), to whole minutes, kept for sorted lists.",
    )
    op.create_index(
        "ix_token_stats_window_trade_count", "token_stats", ["window", "trade_count", "token_id"], unique=False
    )
    op.create_index(
        "ix_token_stats_window_volume_usd", "token_stats", ["window", "volume_usd", "token_id"], unique=False
    )
    op.create_table(
        "token_traders",
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("trader_id", sa.Integer(), nullable=False),
        sa.Column("first_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_position", sa.BigInteger(), nullable=False),
        sa.Column("first_identity", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("token_id", "trader_id", name=op.f("pk_token_traders")),
        comment="First trade in chain order of each wallet in each token: a trade is the first if its identity is here.",
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("mint", sa.Text(), nullable=False),
        sa.Column("decimals", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("symbol", sa.Text(), nullable=True),
        sa.Column("uri", sa.Text(), nullable=True),
        sa.Column("creator", sa.Text(), nullable=True),
        sa.Column("protocol", sa.SmallInteger(), nullable=False),
        sa.Column("quote_mint", sa.Text(), nullable=False),
        sa.Column("quote_decimals", sa.SmallInteger(), nullable=False),
        sa.Column("token_program", sa.Text(), nullable=True),
        sa.Column("total_supply", sa.Numeric(precision=20, scale=0), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_position", sa.BigInteger(), nullable=False),
        sa.Column("launch_identity", sa.LargeBinary(), nullable=True),
        sa.Column("launch_signature", sa.LargeBinary(), nullable=True),
        sa.Column("launch_sequence", sa.BigInteger(), nullable=True),
        sa.Column("stage", sa.SmallInteger(), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_sequence", sa.BigInteger(), nullable=True),
        sa.Column("graduated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("price", sa.Numeric(), nullable=True),
        sa.Column("price_kind", sa.SmallInteger(), nullable=False),
        sa.Column("price_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("price_position", sa.BigInteger(), nullable=False),
        sa.Column("price_identity", sa.LargeBinary(), nullable=False),
        sa.Column("price_commitment", sa.SmallInteger(), nullable=False),
        sa.Column("last_trade_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trade_count", sa.BigInteger(), nullable=False),
        sa.Column("holders", sa.Integer(), nullable=False),
        sa.Column("ath_price_usd", sa.Numeric(), nullable=True),
        sa.Column("ath_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("atl_price_usd", sa.Numeric(), nullable=True),
        sa.Column("atl_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("as_of_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("as_of_position", sa.BigInteger(), nullable=False),
        sa.Column("as_of_commitment", sa.SmallInteger(), nullable=False),
        sa.Column("origin_key", sa.LargeBinary(), nullable=False),
        sa.Column("creator_key", sa.LargeBinary(), nullable=True),
        sa.Column("supply_key", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("mint", name=op.f("uq_tokens_mint")),
    )
    op.create_index("ix_tokens_created_at", "tokens", ["created_at", "id"], unique=False)
    op.create_index("ix_tokens_creator", "tokens", ["creator"], unique=False)
    op.create_index("ix_tokens_launch_sequence", "tokens", ["launch_sequence"], unique=True)
    op.create_table(
        "trades",
        sa.Column("block_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("identity", sa.LargeBinary(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("trader_id", sa.Integer(), nullable=False),
        sa.Column("venue_id", sa.Integer(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("ordinal", sa.SmallInteger(), nullable=False),
        sa.Column("protocol", sa.SmallInteger(), nullable=False),
        sa.Column("side", sa.SmallInteger(), nullable=False),
        sa.Column("commitment", sa.SmallInteger(), nullable=False),
        sa.Column("base_amount", sa.Numeric(precision=20, scale=0), nullable=False),
        sa.Column("quote_amount", sa.Numeric(precision=20, scale=0), nullable=False),
        sa.Column("fee", sa.Numeric(precision=20, scale=0), nullable=True),
        sa.Column("virtual_base_reserves", sa.Numeric(precision=20, scale=0), nullable=True),
        sa.Column("virtual_quote_reserves", sa.Numeric(precision=20, scale=0), nullable=True),
        sa.Column("real_base_reserves", sa.Numeric(precision=20, scale=0), nullable=True),
        sa.Column("real_quote_reserves", sa.Numeric(precision=20, scale=0), nullable=True),
        sa.Column("sqrt_price", sa.Numeric(precision=39, scale=0), nullable=True),
        sa.Column("quote_usd", sa.Numeric(), nullable=True),
        sa.Column("compute_units", sa.Integer(), nullable=True),
        sa.Column("priority_fee", sa.BigInteger(), nullable=True),
        sa.Column("indexed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("block_time", "identity", name=op.f("pk_trades")),
        comment="One row a swap. A hypertable on TimescaleDB, else range-partitioned by day of block_time.",
        postgresql_partition_by=None if _has_timescale() else "RANGE (block_time)",
    )
    op.create_index("ix_trades_sequence", "trades", ["sequence"], unique=False)
    op.create_index("ix_trades_token", "trades", ["token_id", "block_time", "position", "identity"], unique=False)
    op.create_index("ix_trades_trader", "trades", ["trader_id", "block_time", "position"], unique=False)
    op.create_table(
        "wallets",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_wallets")),
        sa.UniqueConstraint("address", name=op.f("uq_wallets_address")),
    )
    op.create_table(
        "venues",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("protocol", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("config", sa.Text(), nullable=True),
        sa.Column("quote_mint", sa.Text(), nullable=False),
        sa.Column("quote_decimals", sa.SmallInteger(), nullable=False),
        sa.Column("is_inverted", sa.Boolean(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("virtual_base_reserves", sa.Numeric(precision=20, scale=0), nullable=True),
        sa.Column("virtual_quote_reserves", sa.Numeric(precision=20, scale=0), nullable=True),
        sa.Column("real_base_reserves", sa.Numeric(precision=20, scale=0), nullable=True),
        sa.Column("real_quote_reserves", sa.Numeric(precision=20, scale=0), nullable=True),
        sa.Column("sqrt_price", sa.Numeric(precision=39, scale=0), nullable=True),
        sa.Column("initial_real_base_reserves", sa.Numeric(precision=20, scale=0), nullable=True),
        sa.Column("migration_threshold", sa.Numeric(precision=20, scale=0), nullable=True),
        sa.Column("fee_bps", sa.Integer(), nullable=True),
        sa.Column("as_of_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("as_of_position", sa.BigInteger(), nullable=False),
        sa.Column("as_of_identity", sa.LargeBinary(), nullable=False),
        sa.Column("as_of_commitment", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"], name=op.f("fk_venues_token_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_venues")),
        sa.UniqueConstraint("address", name=op.f("uq_venues_address")),
        comment="Curves (kind 1) and pools (kind 2) with their newest state.",
    )
    op.create_index("ix_venues_token_id", "venues", ["token_id"], unique=False)
    op.create_table(
        "graduations",
        sa.Column("identity", sa.LargeBinary(), nullable=False),
        sa.Column("block_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("signature", sa.LargeBinary(), nullable=False),
        sa.Column("ordinal", sa.SmallInteger(), nullable=False),
        sa.Column("commitment", sa.SmallInteger(), nullable=False),
        sa.Column("from_protocol", sa.SmallInteger(), nullable=False),
        sa.Column("to_protocol", sa.SmallInteger(), nullable=False),
        sa.Column("venue_id", sa.Integer(), nullable=False),
        sa.Column("base_amount", sa.Numeric(precision=20, scale=0), nullable=True),
        sa.Column("quote_amount", sa.Numeric(precision=20, scale=0), nullable=True),
        sa.Column("market_cap_usd", sa.Numeric(), nullable=True),
        sa.ForeignKeyConstraint(["token_id"], ["tokens.id"], name=op.f("fk_graduations_token_id")),
        sa.ForeignKeyConstraint(["venue_id"], ["venues.id"], name=op.f("fk_graduations_venue_id")),
        sa.PrimaryKeyConstraint("identity", name=op.f("pk_graduations")),
        sa.UniqueConstraint("sequence", name=op.f("uq_graduations_sequence")),
    )
    op.create_index("ix_graduations_block_time", "graduations", ["block_time", "position", "identity"], unique=False)
    op.create_index("ix_graduations_token_id", "graduations", ["token_id"], unique=False)


def _create_candles(name: str) -> None:
    op.create_table(
        name,
        sa.Column("token_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        sa.Column("open", sa.Numeric(), nullable=False),
        sa.Column("high", sa.Numeric(), nullable=False),
        sa.Column("low", sa.Numeric(), nullable=False),
        sa.Column("close", sa.Numeric(), nullable=False),
        sa.Column("open_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("open_position", sa.BigInteger(), nullable=False),
        sa.Column("open_identity", sa.LargeBinary(), nullable=False),
        sa.Column("close_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("close_position", sa.BigInteger(), nullable=False),
        sa.Column("close_identity", sa.LargeBinary(), nullable=False),
        sa.Column("volume", sa.Numeric(), nullable=False),
        sa.Column("buy_volume", sa.Numeric(), nullable=False),
        sa.Column("open_usd", sa.Numeric(), nullable=True),
        sa.Column("high_usd", sa.Numeric(), nullable=True),
        sa.Column("low_usd", sa.Numeric(), nullable=True),
        sa.Column("close_usd", sa.Numeric(), nullable=True),
        sa.Column("volume_usd", sa.Numeric(), nullable=False),
        sa.Column("buy_volume_usd", sa.Numeric(), nullable=False),
        sa.Column("trades", sa.Integer(), nullable=False),
        sa.Column("buys", sa.Integer(), nullable=False),
        sa.Column("usd_trades", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("token_id", "kind", "bucket", name=op.f(f"pk_{name}")),
    )
    op.create_index(f"ix_{name}_bucket", name, ["bucket"])
    # room for updates in place: a candle changes with each of its trades
    op.execute(f"ALTER TABLE {name} SET (fillfactor = 80)")
