"""returns of holders

Distinct holders, depths of the meter and habits of subscribers, counted by day for reports. The running
service counts them; until then figures come from the days of holders.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op
from service.db.building import build_index, drop_index

revision: str = "a7d3c5509e1b"
down_revision: str | None = "b8e2c64f9a17"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WALLS = ("subscribe", "register")


def upgrade() -> None:
    build_index("ix_holder_days_holder_day", "holder_days", ["holder", "day"])
    for wall in _WALLS:
        build_index(
            f"ix_holder_days_{wall}", "holder_days", ["holder", "day"],
            where=f"{wall}_wall_at IS NOT NULL",
        )  # fmt: skip
    drop_index("ix_holder_days_holder", "holder_days")
    # Empty in the rows that the running release adds: not counted yet.
    op.add_column("rolled_days", sa.Column("counted_on", sa.Date(), nullable=True))
    op.add_column("rolled_days", sa.Column("looked_back_to", sa.Date(), nullable=True))
    op.create_table(
        "holder_returns",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("measure", sa.String(), nullable=False),
        sa.Column("previous", sa.Date(), nullable=False),
        sa.Column("holders", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "measure", "previous", name=op.f("pk_holder_returns")),
    )
    op.create_table(
        "step_depths",
        sa.Column("interval", sa.String(), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.Column("holders", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("interval", "first", "used", name=op.f("pk_step_depths")),
    )
    op.create_table(
        "habit_days",
        sa.Column("day", sa.Date(), nullable=False),
        *(
            sa.Column(name, sa.Integer(), nullable=False)
            for name in ("readers", "days", "asleep", "at_risk")
        ),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_habit_days")),
    )


def downgrade() -> None:
    for wall in _WALLS:
        drop_index(f"ix_holder_days_{wall}", "holder_days")
    build_index("ix_holder_days_holder", "holder_days", ["holder"])
    drop_index("ix_holder_days_holder_day", "holder_days")
    for table in ("habit_days", "step_depths", "holder_returns"):
        op.drop_table(table)
    with op.batch_alter_table("rolled_days") as batch_op:
        batch_op.drop_column("looked_back_to")
        batch_op.drop_column("counted_on")
