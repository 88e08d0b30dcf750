"""How the indexer's parts are, for whoever serves `Status`."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "components",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_components"),
        comment="How the indexer's parts are, told by it every second or so: OK, DEGRADED or DOWN.",
    )


def downgrade() -> None:
    op.drop_table("components")
