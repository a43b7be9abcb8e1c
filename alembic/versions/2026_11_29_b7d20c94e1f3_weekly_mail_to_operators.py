"""weekly mail to operators

Whether an operator gets the week in a mail. The release before this one leaves the column alone.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "b7d20c94e1f3"
down_revision: str | None = "b7e4c1905f38"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "operators",
        sa.Column("weekly_mail", sa.Boolean(), server_default=sa.true(), nullable=False),
    )


def downgrade() -> None:
    op.drop_column("operators", "weekly_mail")
