"""fewer seats

From when on a subscription has fewer seats than are paid now.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "b3e7d1905ac4"
down_revision: str | None = "91d4c7b0e2f6"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("subscriptions", sa.Column("next_seats", sa.Integer(), nullable=True))
    op.add_column(
        "subscriptions", sa.Column("next_seats_at", sa.DateTime(timezone=True), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("subscriptions", "next_seats_at")
    op.drop_column("subscriptions", "next_seats")
