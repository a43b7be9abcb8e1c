"""movements by day

The movements of MRR added up by day, for reports. The running service adds them up; until then figures
come from the rows.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "5c0e7f1a94d2"
down_revision: str | None = "6d1c94e7b0a5"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    # Empty in the rows there are, and in those that the running release adds: not added up yet.
    op.add_column("movements", sa.Column("rolled_as", sa.String(), nullable=True))
    op.create_table(
        "rollups",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("zone", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rollups")),
    )
    op.create_table(
        "money_days",
        sa.Column("day", sa.Date(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in ("kind", "plan", "interval")),
        sa.Column("every", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("recurring", sa.BigInteger(), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "day", "kind", "plan", "interval", "every", "currency", name=op.f("pk_money_days")
        ),
    )
    values = ("plan", "interval", "currency", "way", "cause", "tenure")
    op.create_table(
        "edge_days",
        sa.Column("grain", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in values),
        sa.Column("readers", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("grain", "day", *values, name=op.f("pk_edge_days")),
    )
    op.create_table(
        "cohort_months",
        sa.Column("cohort", sa.Date(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("cohort", "month", name=op.f("pk_cohort_months")),
    )


def downgrade() -> None:
    for table in ("cohort_months", "edge_days", "money_days", "rollups"):
        op.drop_table(table)
    with op.batch_alter_table("movements") as batch_op:
        batch_op.drop_column("rolled_as")
