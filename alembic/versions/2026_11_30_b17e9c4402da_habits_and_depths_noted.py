"""habits and depths noted

Of a day it is noted by itself that its habits and its depths are counted. An interruption after its holders were
counted left them out for ever; such days are counted the night after, as long as their holders are kept.
"""
# ruff: noqa: S608 nothing in these statements is from outside

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "b17e9c4402da"
down_revision: str | None = "4e19b6d2a075"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_COUNTED = {
    "habits_counted_on": "SELECT 1 FROM habit_days WHERE habit_days.day = rolled_days.day",
    "depths_counted_on": (
        "SELECT 1 FROM step_depths"
        " WHERE step_depths.interval = 'day' AND step_depths.first = rolled_days.day"
    ),
}


def upgrade() -> None:
    for column, counted in _COUNTED.items():
        op.add_column("rolled_days", sa.Column(column, sa.Date(), nullable=True))
        op.execute(f"UPDATE rolled_days SET {column} = counted_on WHERE EXISTS ({counted})")


def downgrade() -> None:
    for column in reversed(_COUNTED):
        op.drop_column("rolled_days", column)
