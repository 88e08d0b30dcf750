"""Launches and completions in feed order, with where on chain they were: streams of them resume from here."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "milestones",
        sa.Column("sequence", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("mint", sa.Text, nullable=False),
        sa.Column("block_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("signature", sa.LargeBinary),
        sa.Column("commitment", sa.SmallInteger, nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_milestones"),
        comment="Launches (kind 2) and completions (kind 3) in feed order.",
    )
    op.create_index("ix_milestones_block_time", "milestones", ["block_time"])
    # What is stored already was certain long ago. Where a completion was, nobody kept: its slot is unknown, 0.
    op.execute(
        "INSERT INTO milestones SELECT launch_sequence, 2, mint, created_at, created_position, launch_signature, 2"
        " FROM tokens WHERE launch_sequence IS NOT NULL"
    )
    op.execute(
        "INSERT INTO milestones SELECT completed_sequence, 3, mint, completed_at, 0, NULL, 2"
        " FROM tokens WHERE completed_sequence IS NOT NULL AND completed_at IS NOT NULL"
    )


def downgrade() -> None:
    op.drop_table("milestones")
