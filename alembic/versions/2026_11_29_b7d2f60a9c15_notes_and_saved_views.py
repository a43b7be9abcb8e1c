"""notes and saved views

What the staff writes about readers, and the views of the list of readers that operators keep.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "b7d2f60a9c15"
down_revision: str | None = "e2b71f06c8a4"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "reader_notes",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("reader_id", sa.String(), nullable=False),
        sa.Column("author", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["reader_id"], ["readers.id"], name="fk_reader_notes_reader_id_readers"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_reader_notes"),
    )
    op.create_index("ix_reader_notes_reader", "reader_notes", ["reader_id", "at", "id"])
    op.create_table(
        "saved_views",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("operator_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("filters", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name="fk_saved_views_operator_id_operators"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_saved_views"),
    )
    op.create_index("ix_saved_views_operator_id", "saved_views", ["operator_id"])


def downgrade() -> None:
    op.drop_table("saved_views")
    op.drop_table("reader_notes")
