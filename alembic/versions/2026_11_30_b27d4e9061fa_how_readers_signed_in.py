"""how readers signed in

The timeline of a reader says of each sign-in how it was proved. Nobody knows it of earlier ones.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "b27d4e9061fa"
down_revision: str | None = "2f9a71c5d8e0"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "reader_sessions", sa.Column("method", sa.String(), server_default="", nullable=False)
    )


def downgrade() -> None:
    with op.batch_alter_table("reader_sessions") as table:
        table.drop_column("method")
