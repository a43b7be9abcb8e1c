"""unnoted scheduled ends

Finds the subscriptions of which it is to be looked up what they take from committed MRR.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "e60b7d3f9c18"
down_revision: str | None = "c93e5f1ab024"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    build_index(
        "ix_subscriptions_scheduled_unnoted", "subscriptions", ["id"], "scheduled_noted IS NULL"
    )


def downgrade() -> None:
    drop_index("ix_subscriptions_scheduled_unnoted", "subscriptions")
