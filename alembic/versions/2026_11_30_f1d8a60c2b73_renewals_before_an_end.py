"""renewals before an end

How often a subscription had been renewed when it ended, for reports. The running service counts it; until then
figures count the events.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "f1d8a60c2b73"
down_revision: str | None = "b27d4e9061fa"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_END = sa.text("to_plan IS NULL")
_UNCOUNTED = sa.text("to_plan IS NULL AND renewals IS NULL")


def upgrade() -> None:
    op.add_column("movements", sa.Column("renewals", sa.Integer(), nullable=True))
    op.drop_index("ix_movements_ended", "movements")
    op.create_index(
        "ix_movements_ended", "movements",
        ["at", "cause", "from_plan", "from_interval", "currency", "renewals", "subscription_id"],
        sqlite_where=_END, postgresql_where=_END,
    )  # fmt: skip
    op.create_index(
        "ix_movements_uncounted", "movements", ["subscription_id", "number"],
        sqlite_where=_UNCOUNTED, postgresql_where=_UNCOUNTED,
    )  # fmt: skip


def downgrade() -> None:
    op.drop_index("ix_movements_uncounted", "movements")
    op.drop_index("ix_movements_ended", "movements")
    op.create_index(
        "ix_movements_ended", "movements", ["at", "cause", "subscription_id"],
        sqlite_where=_END, postgresql_where=_END,
    )  # fmt: skip
    op.drop_column("movements", "renewals")
