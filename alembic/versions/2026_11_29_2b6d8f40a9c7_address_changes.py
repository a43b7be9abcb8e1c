"""address changes

Addresses that readers want instead of theirs, until both are confirmed.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "2b6d8f40a9c7"
down_revision: str | None = "7d20b94e61fa"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "address_changes",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("reader_id", sa.String(), nullable=False),
        sa.Column("email", sa.String(), nullable=False),
        sa.Column("email_key", sa.String(), nullable=False),
        sa.Column("old_hash", sa.String(), nullable=False),
        sa.Column("new_hash", sa.String(), nullable=False),
        sa.Column("old_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("new_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["reader_id"], ["readers.id"], name=op.f("fk_address_changes_reader_id_readers"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_address_changes")),
        sa.UniqueConstraint("reader_id", name=op.f("uq_address_changes_reader_id")),
        sa.UniqueConstraint("old_hash", name=op.f("uq_address_changes_old_hash")),
        sa.UniqueConstraint("new_hash", name=op.f("uq_address_changes_new_hash")),
    )  # fmt: skip
    op.create_index(op.f("ix_address_changes_email_key"), "address_changes", ["email_key"])


def downgrade() -> None:
    op.drop_index(op.f("ix_address_changes_email_key"), table_name="address_changes")
    op.drop_table("address_changes")
