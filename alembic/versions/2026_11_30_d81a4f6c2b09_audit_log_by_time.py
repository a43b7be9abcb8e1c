"""audit log by time

The page lists it by when something was done: written later isn't always done later.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "d81a4f6c2b09"
down_revision: str | None = "b3e7d1905ac4"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    build_index("ix_audit_log_at", "audit_log", ["at", "id"])


def downgrade() -> None:
    drop_index("ix_audit_log_at", "audit_log")
