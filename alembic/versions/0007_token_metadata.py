"""The document behind each token's URI."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "token_metadata",
        sa.Column("token_id", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("uri", sa.Text, nullable=False),
        sa.Column("image", sa.Text),
        sa.Column("description", sa.Text),
        sa.Column("website", sa.Text),
        sa.Column("twitter", sa.Text),
        sa.Column("telegram", sa.Text),
        sa.Column("discord", sa.Text),
        sa.Column("tries", sa.SmallInteger, nullable=False),
        sa.Column("why", sa.Text),
        sa.Column("next_try_at", sa.DateTime(timezone=True)),
        sa.Column("fetched_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("token_id", name="pk_token_metadata"),
        comment="The document behind each token's URI, or why there is none yet and when it is asked for again.",
    )
    op.create_index("ix_token_metadata_next_try_at", "token_metadata", ["next_try_at"])


def downgrade() -> None:
    op.drop_table("token_metadata")
