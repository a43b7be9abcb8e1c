"""words of those who leave

Finds those who cancelled, by time.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "f7b3d92e0a16"
down_revision: str | None = "c5e19d7a30f4"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    build_index("ix_subscriptions_cancelled", "subscriptions", ["cancelled_at", "id"])


def downgrade() -> None:
    drop_index("ix_subscriptions_cancelled", "subscriptions")
