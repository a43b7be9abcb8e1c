"""rolling and named meters

When a rolling window began, and which meter a read was counted in. Empty on what the release before
writes, which knows calendar windows of one meter alone.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op
from service.db.base import UtcDateTime

revision: str = "8f20c6ab91d3"
down_revision: str | None = "b81d4f70c2a9"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("meter_windows", sa.Column("began_at", UtcDateTime(), nullable=True))
    op.add_column("access_ledger", sa.Column("meter_name", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("access_ledger", "meter_name")
    op.drop_column("meter_windows", "began_at")
