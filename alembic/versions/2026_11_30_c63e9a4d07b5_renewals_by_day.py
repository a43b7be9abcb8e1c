"""renewals by day

How many subscriptions were renewed on each day, for reports. The running service counts them; until then figures
come from the events.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "c63e9a4d07b5"
down_revision: str | None = "2d58f1a7c9e3"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "renewal_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("renewed", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_renewal_days")),
    )


def downgrade() -> None:
    op.drop_table("renewal_days")
