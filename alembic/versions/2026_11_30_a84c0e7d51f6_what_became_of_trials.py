"""what became of trials

Indexes for when each trial was over and what became of it. The running service looks it up; until then figures do
it themselves.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "a84c0e7d51f6"
down_revision: str | None = "4d9a60c7b2e5"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    build_index(
        "ix_subscriptions_trial_ended", "subscriptions",
        ["trial_ended_at", "trial_became", "plan", "interval", "currency", "id"], "trial_ended_at IS NOT NULL",
    )  # fmt: skip
    build_index(
        "ix_subscriptions_trial_unknown", "subscriptions", ["id"], "trial_end IS NOT NULL AND trial_became IS NULL"
    )  # fmt: skip


def downgrade() -> None:
    drop_index("ix_subscriptions_trial_unknown", "subscriptions")
    drop_index("ix_subscriptions_trial_ended", "subscriptions")
