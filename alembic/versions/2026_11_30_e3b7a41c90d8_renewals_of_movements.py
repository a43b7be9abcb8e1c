"""renewals of movements

How often a subscription had been renewed when it ended; the indexes follow by themselves (build_index).
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "e3b7a41c90d8"
down_revision: str | None = "b27d4e9061fa"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("movements", sa.Column("renewals", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("movements", "renewals")
