"""purchases that joined an account

What came to an account with a purchase made before signing in is told from what its reader bought
there, and a checkout's claim signs in once.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op
from service.db.base import UtcDateTime

revision: str = "7d20b94e61fa"
down_revision: str | None = "9e0f3b7c2a61"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_COLUMNS = (
    ("checkouts", "claim_used_at"),
    ("customers", "joined_at"),
    ("subscriptions", "joined_at"),
)


def upgrade() -> None:
    for table, column in _COLUMNS:
        op.add_column(table, sa.Column(column, UtcDateTime(), nullable=True))


def downgrade() -> None:
    for table, column in reversed(_COLUMNS):
        with op.batch_alter_table(table) as batch_op:
            batch_op.drop_column(column)
