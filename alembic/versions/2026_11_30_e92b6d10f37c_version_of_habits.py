"""version of habits

An earlier release, which may run beside this one for a while, counts habits of few past days, and notes all of them.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "e92b6d10f37c"
down_revision: str | None = "d81a4f6c2b09"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "rolled_days", sa.Column("habits_version", sa.Integer(), server_default="0", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("rolled_days", "habits_version")
