"""reader uses

Devices and networks that a reader read on and from, by day. A new table that the release before doesn't know.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "47d9f1e80b3c"
down_revision: str | None = "9b42ce71d0f5"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "reader_uses",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("reader_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("day", "reader_id", "kind", "name", name=op.f("pk_reader_uses")),
    )
    op.create_index(op.f("ix_reader_uses_reader_id"), "reader_uses", ["reader_id"])


def downgrade() -> None:
    op.drop_table("reader_uses")
