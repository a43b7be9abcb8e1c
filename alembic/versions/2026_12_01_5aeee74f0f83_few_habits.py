"""few habits

Which few readers read on many days, or on fewer than before: lists find them at once.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "5aeee74f0f83"
down_revision: str | None = "7f87c168767d"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "few_habits",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("series", sa.String(), nullable=False),
        sa.Column("reader_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("day", "series", "reader_id", name=op.f("pk_few_habits")),
    )
    op.create_index("ix_few_habits_reader_id", "few_habits", ["reader_id"])


def downgrade() -> None:
    op.drop_table("few_habits")
