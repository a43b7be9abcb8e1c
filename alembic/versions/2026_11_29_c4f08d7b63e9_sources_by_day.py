"""sources by day

What led the buyers of subscriptions here, counted by day for reports.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op
from service.db.building import build_index, drop_index

revision: str = "c4f08d7b63e9"
down_revision: str | None = "c60d8e27a4b3"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    # A day's sales are found by their time.
    build_index("ix_checkouts_completed_at", "checkouts", ["completed_at"])
    op.create_table(
        "source_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("touch", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("sold", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "touch", "source", name=op.f("pk_source_days")),
    )
    # By this measure, too.
    op.execute(sa.text("UPDATE rolled_days SET counted_on = NULL"))


def downgrade() -> None:
    drop_index("ix_checkouts_completed_at", "checkouts")
    op.drop_table("source_days")
