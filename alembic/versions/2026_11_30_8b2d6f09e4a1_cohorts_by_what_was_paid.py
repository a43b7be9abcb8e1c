"""cohorts by what was paid

Cohorts know for which plan, interval and currency readers first paid. The running service adds up movements anew;
until then figures come from their rows.

The table is made anew under its name: a release before this one that still runs can add no
movement of readers to it: it logs an error each minute until it is replaced. Nothing is lost, since each reader is
added up in one transaction.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "8b2d6f09e4a1"
down_revision: str | None = "5e83c1a97f20"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    _make("plan", "interval", "currency")


def downgrade() -> None:
    _make()


def _make(*more: str) -> None:
    op.drop_table("cohort_months")
    op.create_table(
        "cohort_months",
        sa.Column("cohort", sa.Date(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in more),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("cohort", "month", *more, name=op.f("pk_cohort_months")),
    )
    op.execute("DELETE FROM rollups WHERE name = 'movements'")
