"""reads of institutions

How often members of an institution read, by day, and a version that each change of an institution raises.
A new table and a column with a default, which the release before doesn't know.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "f36b0d9c58e1"
down_revision: str | None = "3e8d52f7a1c4"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "institutions", sa.Column("version", sa.Integer(), server_default="1", nullable=False)
    )
    op.create_table(
        "institution_reads",
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("way", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("reads", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("slug", "day", "way", "name", name=op.f("pk_institution_reads")),
    )


def downgrade() -> None:
    op.drop_table("institution_reads")
    op.drop_column("institutions", "version")
