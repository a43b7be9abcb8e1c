"""ends by time

Finds the movements with which subscriptions ended, for reports of renewals.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "f14b7c920d6e"
down_revision: str | None = "c63e9a4d07b5"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEX = "ix_movements_ended"


def upgrade() -> None:
    build_index(_INDEX, "movements", ["at", "cause", "subscription_id"], where="to_plan IS NULL")


def downgrade() -> None:
    drop_index(_INDEX, "movements")
