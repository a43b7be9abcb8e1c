"""unbound subscriptions

Subscriptions of what we sell whose customer is no reader's, and the price of each subscription: without
a value on rows from before, until the next comparison with Stripe.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "9e0f3b7c2a61"
down_revision: str | None = "7d41c0b96e3f"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "unbound_subscriptions",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("customer_id", sa.String(), nullable=False),
        sa.Column("offer_id", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["offer_id"], ["offers.id"], name=op.f("fk_unbound_subscriptions_offer_id_offers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unbound_subscriptions")),
    )
    op.add_column("subscriptions", sa.Column("price_id", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("subscriptions", "price_id")
    op.drop_table("unbound_subscriptions")
