"""offers with a version

So that the second of two operators who change one offer is told. A running release of before writes
offers without it: they have version 1.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "a41c7d93be20"
down_revision: str | None = "a3f17d5c8e26"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("offers", sa.Column("version", sa.Integer(), server_default="1", nullable=False))


def downgrade() -> None:
    op.drop_column("offers", "version")
