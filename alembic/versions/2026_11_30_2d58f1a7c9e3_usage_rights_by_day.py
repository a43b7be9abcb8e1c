"""usage rights by day

How many subscriptions of which price class there were, for reports. The running service adds them up with the
movements; until then the figure comes from the rows.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "2d58f1a7c9e3"
down_revision: str | None = "9d05b3e6f871"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_KEYS = ("plan", "currency", "price")


def upgrade() -> None:
    op.create_table(
        "right_days",
        sa.Column("day", sa.Date(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in _KEYS),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", *_KEYS, name=op.f("pk_right_days")),
    )


def downgrade() -> None:
    op.drop_table("right_days")
