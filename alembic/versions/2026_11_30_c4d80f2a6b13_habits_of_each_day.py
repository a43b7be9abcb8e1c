"""habits of each day

Of the time before they were counted only ends of weeks and months were. The night after this counts the other days.
"""

from collections.abc import Sequence

from alembic import op

revision: str = "c4d80f2a6b13"
down_revision: str | None = "b3e7d1905ac4"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.execute(
        "UPDATE rolled_days SET habits_counted_on = NULL"
        " WHERE habits_counted_on IS NOT NULL AND day NOT IN (SELECT day FROM habit_days)"
    )


def downgrade() -> None:
    """What is counted stays."""
