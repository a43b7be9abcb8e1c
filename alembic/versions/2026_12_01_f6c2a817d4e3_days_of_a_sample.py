"""days of a sample

An index that holds whole days of holders: those of a sample are read from it alone.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "f6c2a817d4e3"
down_revision: str | None = "e5b90c3d71f8"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_WHOLE = ["holder", "day", "reads", "counted", "subscribe_wall_at", "register_wall_at"]


def upgrade() -> None:
    build_index("ix_holder_days_of_holder", "holder_days", _WHOLE)
    drop_index("ix_holder_days_holder_day", "holder_days")


def downgrade() -> None:
    build_index("ix_holder_days_holder_day", "holder_days", ["holder", "day"])
    drop_index("ix_holder_days_of_holder", "holder_days")
