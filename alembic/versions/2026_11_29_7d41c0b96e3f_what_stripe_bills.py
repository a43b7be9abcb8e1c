"""what Stripe bills

What of a subscription isn't in our model, what Stripe charges next, and what an open invoice asks for.
Without a value on rows from before, until the next comparison with Stripe.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "7d41c0b96e3f"
down_revision: str | None = "0c7a5e92d1b4"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "subscriptions", sa.Column("outside", sa.String(), server_default="", nullable=False)
    )
    op.add_column(
        "subscriptions", sa.Column("next_charge_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("subscriptions", sa.Column("next_amount", sa.Integer(), nullable=True))
    op.add_column("subscriptions", sa.Column("open_amount", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("subscriptions", "open_amount")
    op.drop_column("subscriptions", "next_amount")
    op.drop_column("subscriptions", "next_charge_at")
    op.drop_column("subscriptions", "outside")
