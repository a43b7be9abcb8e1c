"""claims of rights

What readers say of their subscriptions elsewhere, until a list has it. A new table that the release before doesn't
know.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "b7e4c1905f38"
down_revision: str | None = "d7c35a9e1f02"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "right_claims",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("reader_id", sa.String(), nullable=False),
        sa.Column("provisional_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_right_claims")),
    )
    op.create_index(op.f("ix_right_claims_reader_id"), "right_claims", ["reader_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_right_claims_reader_id"), table_name="right_claims")
    op.drop_table("right_claims")
