"""first walls by day

What holders did after their first wall, and buyers, are counted with the days; reports find checkouts,
registrations and events by their times.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op
from service.db.building import build_index, drop_index

revision: str = "e2b71f06c8a4"
down_revision: str | None = "b7d20c94e1f3"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEXES = (
    ("ix_checkouts_created_at", "checkouts", ["created_at"]),
    ("ix_checkouts_device_id", "checkouts", ["device_id"]),
    ("ix_domain_events_type", "domain_events", ["type", "occurred_at"]),
    ("ix_readers_email_verified_at", "readers", ["email_verified_at"]),
)


def upgrade() -> None:
    for name, table, columns in _INDEXES:
        build_index(name, table, columns)
    # They are counted again, by all measures.
    op.execute(sa.text("UPDATE rolled_days SET counted_on = NULL"))


def downgrade() -> None:
    for name, table, _ in reversed(_INDEXES):
        drop_index(name, table)
