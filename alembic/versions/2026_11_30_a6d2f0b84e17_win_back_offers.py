"""win-back offers

An offer may be sold to readers who subscribed before alone. Those that there are stay for everybody.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "a6d2f0b84e17"
down_revision: str | None = "a6d3f81c20e7"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "offers", sa.Column("sold_to", sa.String(), server_default="everybody", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("offers", "sold_to")
