"""scheduled changes

What each subscription that was scheduled to end takes from committed MRR, for reports. The running service looks it
up; until then figures do it themselves. The index follows by itself (build_index).
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "c93e5f1ab024"
down_revision: str | None = "c2d94e7a1b60"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "scheduled_changes",
        sa.Column("subscription_id", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("plan", sa.String(), nullable=False),
        sa.Column("interval", sa.String(), nullable=False),
        sa.Column("every", sa.Integer(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "subscription_id", "at", "plan", "interval", "every", "currency",
            name=op.f("pk_scheduled_changes"),
        ),
    )  # fmt: skip
    op.add_column("subscriptions", sa.Column("scheduled_noted", sa.Boolean(), nullable=True))


def downgrade() -> None:
    op.drop_column("subscriptions", "scheduled_noted")
    op.drop_table("scheduled_changes")
