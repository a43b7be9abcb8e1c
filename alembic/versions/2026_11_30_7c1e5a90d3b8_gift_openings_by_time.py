"""gift openings by time

Each process asks every second which articles gift links have opened since it last looked.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "7c1e5a90d3b8"
down_revision: str | None = "3b92f4d1c0ae"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    build_index("ix_gift_openings_opened", "gift_openings", ["opened_at"])


def downgrade() -> None:
    drop_index("ix_gift_openings_opened", "gift_openings")
