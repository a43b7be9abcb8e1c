"""first filling of money

How far the first reading of Stripe's lists of money has come.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "1a6f4c08d2b9"
down_revision: str | None = "0b5d7e91c3f8"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "money_fillings",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("begun_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reached_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_over", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("kind", name="pk_money_fillings"),
    )


def downgrade() -> None:
    op.drop_table("money_fillings")
