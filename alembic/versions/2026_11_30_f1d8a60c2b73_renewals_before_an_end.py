"""renewals before an end

Indexes for how often a subscription had been renewed when it ended. The running service counts it; until then
figures count the events.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "f1d8a60c2b73"
down_revision: str | None = "e3b7a41c90d8"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_ENDED, _END = "ix_movements_ended", "to_plan IS NULL"


def upgrade() -> None:
    build_index(
        _ENDED, "movements",
        ["at", "cause", "from_plan", "from_interval", "currency", "renewals", "subscription_id"], _END,
    )  # fmt: skip
    build_index(
        "ix_movements_uncounted", "movements", ["subscription_id", "number"], f"{_END} AND renewals IS NULL"
    )  # fmt: skip


def downgrade() -> None:
    drop_index("ix_movements_uncounted", "movements")
    build_index(_ENDED, "movements", ["at", "cause", "subscription_id"], _END)
