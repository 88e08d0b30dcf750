"""Every column, declared once. Alembic compares the migrations with this; reads and the writer build on it.

Chain order is (block_time, position, identity). Identities are 16 bytes (`app.domain.events.event_identity`). Raw u64
amounts are numeric(20): a bigint ends at 2^63 and a Meteora launch may pass it. Prices are numeric without a scale.
Enumerations are the integers of `app.domain.programs`. Ids are given by the one writer.
"""

from decimal import Decimal

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _time() -> DateTime:
    return DateTime(timezone=True)


def _u64() -> Numeric[Decimal]:
    return Numeric(20, 0)


meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    comment="Facts about this store: `store_id`, which cursors are bound to.",
)

feed = Table(
    "feed",
    metadata,
    Column("id", SmallInteger, primary_key=True),
    Column("last_sequence", BigInteger, nullable=False),
    Column("head_slot", BigInteger, nullable=False),
    Column("head_time", _time()),
    Column("head_commitment", SmallInteger, nullable=False),
    Column("finalized_slot", BigInteger),
    Column("finalized_time", _time()),
    Column("tip_slot", BigInteger),
    Column("complete_slot", BigInteger),
    Column("source", Text, nullable=False),
    Column("is_simulated", Boolean, nullable=False),
    comment="One row (id 1): newest sequence and head, written with every batch.",
)

checkpoints = Table(
    "checkpoints",
    metadata,
    Column("source", Text, primary_key=True),
    Column("slot", BigInteger, nullable=False),
    Column("state", LargeBinary, nullable=False),
    comment="How far each source has come; `state` is the source's own resume token, opaque to the store.",
)

gaps = Table(
    "gaps",
    metadata,
    Column("first_slot", BigInteger, primary_key=True, autoincrement=False),
    Column("last_slot", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
    Column("since", _time(), nullable=False),
    Column("source", Text, nullable=False),
    comment="Slot ranges known to be missing; no two share a slot.",
)

journal = Table(
    "journal",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("generation", Integer, nullable=False),
    Column("head_slot", BigInteger, nullable=False),
    Column("page", LargeBinary, nullable=False),
    comment="What each batch did above the finalized slot, and how rows were before; opaque, see writer_journal.",
)

retractions = Table(
    "retractions",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("slot", BigInteger, nullable=False),
    Column("kinds", ARRAY(SmallInteger), nullable=False),
    Column("sequences", ARRAY(BigInteger), nullable=False),
    Column("mints", ARRAY(Text), nullable=False),
    Column("block_times", ARRAY(BigInteger), nullable=False),
    Column("identities", ARRAY(LargeBinary), nullable=False),
    Index("ix_retractions_mints", "mints", postgresql_using="gin"),
    comment="One row a withdrawn slot: the records that left, which nothing else tells any more.",
)

wallets = Table(
    "wallets",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("address", Text, nullable=False, unique=True),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("mint", Text, nullable=False, unique=True),
    Column("decimals", SmallInteger, nullable=False),
    Column("name", Text),
    Column("symbol", Text),
    Column("uri", Text),
    Column("creator", Text),
    Column("protocol", SmallInteger, nullable=False),
    Column("quote_mint", Text, nullable=False),
    Column("quote_decimals", SmallInteger, nullable=False),
    Column("token_program", Text),
    Column("total_supply", _u64()),
    # launch
    Column("created_at", _time(), nullable=False),
    Column("created_position", BigInteger, nullable=False),
    Column("launch_identity", LargeBinary),
    Column("launch_signature", LargeBinary),
    Column("launch_sequence", BigInteger),
    # life
    Column("stage", SmallInteger, nullable=False),
    Column("completed_at", _time()),
    Column("completed_sequence", BigInteger),
    Column("graduated_at", _time()),
    # newest state
    Column("price", Numeric()),
    Column("price_kind", SmallInteger, nullable=False),
    Column("price_time", _time(), nullable=False),
    Column("price_position", BigInteger, nullable=False),
    Column("price_identity", LargeBinary, nullable=False),
    Column("price_commitment", SmallInteger, nullable=False),
    Column("last_trade_at", _time()),
    Column("trade_count", BigInteger, nullable=False),
    Column("holders", Integer, nullable=False),
    Column("ath_price_usd", Numeric()),
    Column("ath_at", _time()),
    Column("atl_price_usd", Numeric()),
    Column("atl_at", _time()),
    Column("as_of_time", _time(), nullable=False),
    Column("as_of_position", BigInteger, nullable=False),
    Column("as_of_commitment", SmallInteger, nullable=False),
    # which event the writer took a fact from, as a sortable key: any order of arrival ends with the same row
    Column("origin_key", LargeBinary, nullable=False),
    Column("creator_key", LargeBinary),
    Column("supply_key", LargeBinary),
    Index("ix_tokens_created_at", "created_at", "id"),
    Index("ix_tokens_launch_sequence", "launch_sequence", unique=True),
    Index("ix_tokens_creator", "creator"),
)

venues = Table(
    "venues",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("address", Text, nullable=False, unique=True),
    Column("token_id", Integer, ForeignKey("tokens.id"), nullable=False),
    Column("protocol", SmallInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("config", Text),
    Column("quote_mint", Text, nullable=False),
    Column("quote_decimals", SmallInteger, nullable=False),
    Column("is_inverted", Boolean),
    Column("created_at", _time(), nullable=False),
    # newest state in chain order
    Column("virtual_base_reserves", _u64()),
    Column("virtual_quote_reserves", _u64()),
    Column("real_base_reserves", _u64()),
    Column("real_quote_reserves", _u64()),
    Column("sqrt_price", Numeric(39, 0)),
    Column("initial_real_base_reserves", _u64()),
    Column("migration_threshold", _u64()),
    Column("fee_bps", Integer),
    Column("as_of_time", _time(), nullable=False),
    Column("as_of_position", BigInteger, nullable=False),
    Column("as_of_identity", LargeBinary, nullable=False),
    Column("as_of_commitment", SmallInteger, nullable=False),
    Index("ix_venues_token_id", "token_id"),
    Index("ix_venues_config", "config"),
    comment="Curves (kind 1) and pools (kind 2) with their newest state.",
)

trades = Table(
    "trades",
    metadata,
    Column("block_time", _time(), primary_key=True),
    Column("identity", LargeBinary, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    # In the key for TimescaleDB, which then looks for a duplicate only among the compressed rows of its token.
    Column("token_id", Integer, primary_key=True, autoincrement=False),
    Column("trader_id", Integer, nullable=False),
    Column("venue_id", Integer, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("ordinal", SmallInteger, nullable=False),
    Column("protocol", SmallInteger, nullable=False),
    Column("side", SmallInteger, nullable=False),
    Column("commitment", SmallInteger, nullable=False),
    Column("base_amount", _u64(), nullable=False),
    Column("quote_amount", _u64(), nullable=False),
    Column("fee", _u64()),
    Column("virtual_base_reserves", _u64()),
    Column("virtual_quote_reserves", _u64()),
    Column("real_base_reserves", _u64()),
    Column("real_quote_reserves", _u64()),
    Column("sqrt_price", Numeric(39, 0)),
    Column("quote_usd", Numeric()),
    Column("compute_units", Integer),
    Column("priority_fee", BigInteger),
    Column("indexed_at", _time(), nullable=False),
    Index("ix_trades_token", "token_id", "block_time", "position", "identity"),
    Index("ix_trades_trader", "trader_id", "block_time", "position"),
    Index("ix_trades_sequence", "sequence"),
    comment="One row a swap. A hypertable on TimescaleDB, else range-partitioned by day of block_time.",
    postgresql_partition_by="RANGE (block_time)",
)

token_traders = Table(
    "token_traders",
    metadata,
    Column("token_id", Integer, primary_key=True),
    Column("trader_id", Integer, primary_key=True),
    Column("first_time", _time(), nullable=False),
    Column("first_position", BigInteger, nullable=False),
    Column("first_identity", LargeBinary, nullable=False),
    comment="First trade in chain order of each wallet in each token: a trade is the first if its identity is here.",
)


def _candles(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("token_id", Integer, primary_key=True),
        Column("kind", SmallInteger, primary_key=True),
        Column("bucket", _time(), primary_key=True),
        Column("open", Numeric(), nullable=False),
        Column("high", Numeric(), nullable=False),
        Column("low", Numeric(), nullable=False),
        Column("close", Numeric(), nullable=False),
        Column("open_time", _time(), nullable=False),
        Column("open_position", BigInteger, nullable=False),
        Column("open_identity", LargeBinary, nullable=False),
        Column("close_time", _time(), nullable=False),
        Column("close_position", BigInteger, nullable=False),
        Column("close_identity", LargeBinary, nullable=False),
        Column("volume", Numeric(), nullable=False),
        Column("buy_volume", Numeric(), nullable=False),
        Column("open_usd", Numeric()),
        Column("high_usd", Numeric()),
        Column("low_usd", Numeric()),
        Column("close_usd", Numeric()),
        Column("volume_usd", Numeric(), nullable=False),
        Column("buy_volume_usd", Numeric(), nullable=False),
        Column("trades", Integer, nullable=False),
        Column("buys", Integer, nullable=False),
        Column("usd_trades", Integer, nullable=False),
        Index(f"ix_{name}_bucket", "bucket"),
    )


candles_1m = _candles("candles_1m")
candles_1h = _candles("candles_1h")
candles_1d = _candles("candles_1d")

graduations = Table(
    "graduations",
    metadata,
    Column("identity", LargeBinary, primary_key=True),
    Column("block_time", _time(), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("sequence", BigInteger, nullable=False, unique=True),
    Column("token_id", Integer, ForeignKey("tokens.id"), nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("ordinal", SmallInteger, nullable=False),
    Column("commitment", SmallInteger, nullable=False),
    Column("from_protocol", SmallInteger, nullable=False),
    Column("to_protocol", SmallInteger, nullable=False),
    Column("venue_id", Integer, ForeignKey("venues.id"), nullable=False),
    Column("base_amount", _u64()),
    Column("quote_amount", _u64()),
    Column("market_cap_usd", Numeric()),
    Index("ix_graduations_block_time", "block_time", "position", "identity"),
    Index("ix_graduations_token_id", "token_id"),
)

milestones = Table(
    "milestones",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", SmallInteger, nullable=False),
    Column("mint", Text, nullable=False),
    Column("block_time", _time(), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("signature", LargeBinary),
    Column("commitment", SmallInteger, nullable=False),
    Index("ix_milestones_block_time", "block_time"),
    comment="Launches (kind 2) and completions (kind 3) in feed order.",
)

token_accounts = Table(
    "token_accounts",
    metadata,
    Column("token_id", Integer, primary_key=True),
    Column("account", Text, primary_key=True),
    Column("owner_id", Integer, nullable=False),
    Column("amount", _u64(), nullable=False),
    Column("is_vault", Boolean, nullable=False),
    Column("as_of_time", _time(), nullable=False),
    Column("as_of_position", BigInteger, nullable=False),
    Column("as_of_identity", LargeBinary, nullable=False),
    Index("ix_token_accounts_owner", "token_id", "owner_id"),
    comment="Balances of launched tokens from the transactions' post balances; newest in chain order wins.",
)

token_stats = Table(
    "token_stats",
    metadata,
    Column("token_id", Integer, primary_key=True),
    Column("window", Integer, primary_key=True),
    Column("volume_usd", Numeric(), nullable=False),
    Column("volume", Numeric(), nullable=False),
    Column("trade_count", Integer, nullable=False),
    Index("ix_token_stats_window_volume_usd", "window", "volume_usd", "token_id"),
    Index("ix_token_stats_window_trade_count", "window", "trade_count", "token_id"),
    comment="Volume and trades of each token in each StatsWindow (seconds), to whole minutes, kept for sorted lists.",
)

token_metadata = Table(
    "token_metadata",
    metadata,
    Column("token_id", Integer, primary_key=True, autoincrement=False),
    Column("uri", Text, nullable=False),
    Column("image", Text),
    Column("description", Text),
    Column("website", Text),
    Column("twitter", Text),
    Column("telegram", Text),
    Column("discord", Text),
    Column("tries", SmallInteger, nullable=False),
    Column("why", Text),
    Column("next_try_at", _time()),
    Column("fetched_at", _time()),
    Index("ix_token_metadata_next_try_at", "next_try_at"),
    comment="The document behind each token's URI, or why there is none yet and when it is asked for again.",
)

rates = Table(
    "rates",
    metadata,
    Column("quote_mint", Text, primary_key=True),
    Column("time", _time(), primary_key=True),
    Column("usd", Numeric(), nullable=False),
)

components = Table(
    "components",
    metadata,
    Column("name", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("told_at", _time(), nullable=False),
    comment="How the indexer's parts are, told by it every second or so: OK, DEGRADED or DOWN.",
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=True),
    Column("key", LargeBinary, nullable=False, unique=True),
    Column("signature", Text),
    Column("slot", BigInteger),
    Column("program", Text),
    Column("cause", Text, nullable=False),
    Column("transaction", LargeBinary, nullable=False),
    Column("first_seen_at", _time(), nullable=False),
    Column("resolved_at", _time()),
    comment="What a known program emitted and we could not decode; `transaction` is msgpack of it, to be re-driven.",
)
