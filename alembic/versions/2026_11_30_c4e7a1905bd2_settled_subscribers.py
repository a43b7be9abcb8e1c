"""settled subscribers

How many of a day's active subscribers were it 30 days before, too. The release before leaves it empty, and the night after
counts such days anew.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "c4e7a1905bd2"
down_revision: str | None = "7d41b9e6a03c"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("habit_days", sa.Column("settled", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("habit_days", "settled")
