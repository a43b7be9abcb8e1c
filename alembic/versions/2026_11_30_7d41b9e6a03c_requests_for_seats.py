"""requests for seats

A reader for whom there is no seat left asks the subscription's owner for more.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "7d41b9e6a03c"
down_revision: str | None = "5c8e02d7f1a6"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("seats", sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("seats", "asked_at")
