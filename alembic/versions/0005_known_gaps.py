"""Known gaps: slot ranges of which something is missing; and how far the chain itself has come."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gaps",
        sa.Column("first_slot", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("last_slot", sa.BigInteger, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("first_slot", name="pk_gaps"),
        comment="Slot ranges known to be missing; no two share a slot.",
    )
    op.add_column("feed", sa.Column("tip_slot", sa.BigInteger))
    op.add_column("feed", sa.Column("complete_slot", sa.BigInteger))


def downgrade() -> None:
    op.drop_column("feed", "complete_slot")
    op.drop_column("feed", "tip_slot")
    op.drop_table("gaps")
