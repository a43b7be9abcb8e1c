"""what became of trials

When each trial was over and what became of it, for reports. The running service looks it up; until then figures do
it themselves.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "a84c0e7d51f6"
down_revision: str | None = "f1d8a60c2b73"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ENDED = sa.text("trial_ended_at IS NOT NULL")
_UNKNOWN = sa.text("trial_end IS NOT NULL AND trial_became IS NULL")


def upgrade() -> None:
    op.add_column(
        "subscriptions", sa.Column("trial_ended_at", sa.DateTime(timezone=True), nullable=True)
    )
    op.add_column("subscriptions", sa.Column("trial_became", sa.String(), nullable=True))
    op.create_index(
        "ix_subscriptions_trial_ended", "subscriptions",
        ["trial_ended_at", "trial_became", "plan", "interval", "currency", "id"],
        sqlite_where=_ENDED, postgresql_where=_ENDED,
    )  # fmt: skip
    op.create_index(
        "ix_subscriptions_trial_unknown", "subscriptions", ["id"],
        sqlite_where=_UNKNOWN, postgresql_where=_UNKNOWN,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_subscriptions_trial_unknown", "subscriptions")
    op.drop_index("ix_subscriptions_trial_ended", "subscriptions")
    op.drop_column("subscriptions", "trial_became")
    op.drop_column("subscriptions", "trial_ended_at")
