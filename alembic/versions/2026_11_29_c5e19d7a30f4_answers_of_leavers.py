"""answers of those who leave

What readers answered and wrote when they cancelled, and when; the index follows by itself (build_index).
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "c5e19d7a30f4"
down_revision: str | None = "e9c25b7104da"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    for name, kind in (("cancel_feedback", sa.String()), ("cancel_comment", sa.Text())):
        op.add_column("subscriptions", sa.Column(name, kind, server_default="", nullable=False))
    op.add_column(
        "subscriptions", sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("subscriptions", sa.Column("cancelled_after_days", sa.Integer(), nullable=True))


def downgrade() -> None:
    for name in ("cancelled_after_days", "cancelled_at", "cancel_comment", "cancel_feedback"):
        op.drop_column("subscriptions", name)
