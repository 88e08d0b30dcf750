"""Forks: what is needed to withdraw slots that are not final yet, and what was withdrawn, by its place in the feed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "journal",
        sa.Column("id", sa.BigInteger, autoincrement=True, nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("head_slot", sa.BigInteger, nullable=False),
        sa.Column("page", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_journal"),
        comment="What each batch did above the finalized slot, and how rows were before; opaque, see writer_journal.",
    )
    # A page lives for seconds: to compress it would cost more than it saves.
    op.execute("ALTER TABLE journal ALTER COLUMN page SET STORAGE EXTERNAL")
    op.create_table(
        "retractions",
        sa.Column("sequence", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("slot", sa.BigInteger, nullable=False),
        sa.Column("kinds", postgresql.ARRAY(sa.SmallInteger), nullable=False),
        sa.Column("sequences", postgresql.ARRAY(sa.BigInteger), nullable=False),
        sa.Column("mints", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("block_times", postgresql.ARRAY(sa.BigInteger), nullable=False),
        sa.Column("identities", postgresql.ARRAY(sa.LargeBinary), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_retractions"),
        comment="One row a withdrawn slot: the records that left, which nothing else tells any more.",
    )


def downgrade() -> None:
    op.drop_table("retractions")
    op.drop_table("journal")
