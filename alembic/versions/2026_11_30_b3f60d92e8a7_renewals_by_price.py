"""renewals by price

How many subscriptions were renewed on each day, by what they are now, for reports. The running service counts them;
until then figures come from the events.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "b3f60d92e8a7"
down_revision: str | None = "a84c0e7d51f6"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "price_renewal_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("plan", sa.String(), nullable=False),
        sa.Column("interval", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("renewed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "day", "plan", "interval", "currency", name=op.f("pk_price_renewal_days")
        ),
    )


def downgrade() -> None:
    op.drop_table("price_renewal_days")
