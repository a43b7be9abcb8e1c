"""access schedule

How an article's level changes by itself. Absent on what the release before writes.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op
from service.db.base import Json

revision: str = "5d0c9e41b7a2"
down_revision: str | None = "b3f1d2a7c905"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("articles", sa.Column("access_schedule", Json(), nullable=True))


def downgrade() -> None:
    op.drop_column("articles", "access_schedule")
