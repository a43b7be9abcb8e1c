"""rights from elsewhere

Print subscribers, app stores, a circulation system: what their lists say. A new table that the release before
doesn't know.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "8f2a60d9c3e1"
down_revision: str | None = "7c3f1ad05e92"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEXES = {
    "ix_rights_account_hash": ["account_hash"],
    "ix_rights_email_hash": ["email_hash"],
    "ix_rights_name_hash": ["name_hash"],
    "ix_rights_newest": ["created_at", "source", "reference"],
    "ix_rights_reader_id": ["reader_id"],
}


def upgrade() -> None:
    op.create_table(
        "rights",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("plan", sa.String(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("email_hash", sa.String(), nullable=True),
        sa.Column("account_hash", sa.String(), nullable=True),
        sa.Column("name_hash", sa.String(), nullable=True),
        sa.Column("reader_id", sa.String(), nullable=True),
        sa.Column("bound_by", sa.String(), nullable=True),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source", "reference", name=op.f("pk_rights")),
    )
    for name, columns in _INDEXES.items():
        op.create_index(op.f(name), "rights", columns)


def downgrade() -> None:
    for name in _INDEXES:
        op.drop_index(op.f(name), table_name="rights")
    op.drop_table("rights")
