"""prompts of walls

Which words a wall showed. Absent on rows from before, and on what the running release writes.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "0c7a5e92d1b4"
down_revision: str | None = "c41e8b6f2a90"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("access_ledger", sa.Column("prompt", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("access_ledger", "prompt")
