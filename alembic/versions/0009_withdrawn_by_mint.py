"""What left the chain is sought by mint: revisions of candles count it."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_retractions_mints", "retractions", ["mints"], postgresql_using="gin")


def downgrade() -> None:
    op.drop_index("ix_retractions_mints", "retractions")
