"""sign-in asks by time

Finds those that no report looks for any more.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "7c3e91d0a5f8"
down_revision: str | None = "5e0c9a71d3b8"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    build_index("ix_sign_in_asks_at", "sign_in_asks", ["at"])


def downgrade() -> None:
    drop_index("ix_sign_in_asks_at", "sign_in_asks")
