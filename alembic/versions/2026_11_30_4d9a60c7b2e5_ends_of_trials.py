"""ends of trials

When each trial was over and what became of it; the indexes follow by themselves (build_index).
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "4d9a60c7b2e5"
down_revision: str | None = "f1d8a60c2b73"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "subscriptions", sa.Column("trial_ended_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("subscriptions", sa.Column("trial_became", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("subscriptions", "trial_became")
    op.drop_column("subscriptions", "trial_ended_at")
