"""Curves by config: what a Meteora launch does not tell is read from the other curves of its config."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_venues_config", "venues", ["config"])


def downgrade() -> None:
    op.drop_index("ix_venues_config", "venues")
