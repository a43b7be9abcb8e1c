"""scheduled ends

Finds what was scheduled to end at a past instant.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "b8e2c64f9a17"
down_revision: str | None = "f1b7d09c4e83"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEX = "ix_domain_events_scheduled"
_SCHEDULED = "type IN ('subscription.cancel_scheduled', 'subscription.resumed')"


def upgrade() -> None:
    build_index(_INDEX, "domain_events", ["subject_id", "occurred_at", "id"], where=_SCHEDULED)


def downgrade() -> None:
    drop_index(_INDEX, "domain_events")
