"""Updates in place: rows that change with their trades have room on their page, and no index names what changes.

An update that touches an indexed column, or finds its page full, writes an entry into every index of the table. The
index on amounts was in no read: top holders sum the accounts of an owner. Without it a balance costs half.
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_CHANGING = ("tokens", "venues", "token_accounts")


def upgrade() -> None:
    op.drop_index("ix_token_accounts_amount", "token_accounts")
    for table in _CHANGING:
        op.execute(f"ALTER TABLE {table} SET (fillfactor = 70)")


def downgrade() -> None:
    for table in _CHANGING:
        op.execute(f"ALTER TABLE {table} RESET (fillfactor)")
    op.create_index("ix_token_accounts_amount", "token_accounts", ["token_id", "amount"])
