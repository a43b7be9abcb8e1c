"""whether a session's current token was ever used

The token before it gets it again, however late, as long as nobody has. What was exchanged before this
counts as used. The running release beside it changes no value: what it exchanges keeps the one that it had.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "4b7d91e2c6f3"
down_revision: str | None = "e5a17c3b9d04"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "reader_sessions",
        sa.Column("successor_used", sa.Boolean(), server_default=sa.true(), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("reader_sessions", "successor_used")
