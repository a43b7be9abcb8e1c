"""imported from Stripe

Which customers and subscriptions ran at Stripe before `paywall import stripe` brought them in.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op
from service.db.base import UtcDateTime

revision: str = "a3f17d5c8e26"
down_revision: str | None = "c1d5a80b37f2"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TABLES = ("customers", "subscriptions")


def upgrade() -> None:
    for table in _TABLES:
        op.add_column(table, sa.Column("imported_at", UtcDateTime(), nullable=True))


def downgrade() -> None:
    for table in reversed(_TABLES):
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_column("imported_at")
