"""seats

Subscriptions that are sold by the seat, and who was invited. New columns have defaults for the release before.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "d50e9a13c7f8"
down_revision: str | None = "8f20c6ab91d3"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_TIME = sa.DateTime(timezone=True)
_COLUMNS = (
    ("offers", "most_seats", "0"),
    ("checkouts", "seats", "1"),
    ("subscriptions", "seats", "1"),
)


def upgrade() -> None:
    for table, column, default in _COLUMNS:
        op.add_column(
            table, sa.Column(column, sa.Integer(), nullable=False, server_default=default)
        )
    op.create_table(
        "seats",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("subscription_id", sa.String(), nullable=False),
        sa.Column("reader_id", sa.String(), nullable=True),
        sa.Column("email", sa.String(), nullable=True),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("joined_at", _TIME, nullable=True),
        sa.Column("ended_at", _TIME, nullable=True),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["subscriptions.id"],
            name=op.f("fk_seats_subscription_id_subscriptions"),
        ),
        sa.ForeignKeyConstraint(
            ["reader_id"], ["readers.id"], name=op.f("fk_seats_reader_id_readers")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seats")),
    )
    op.create_index("ix_seats_subscription_id", "seats", ["subscription_id"])
    op.create_index("ix_seats_reader_id", "seats", ["reader_id"])
    op.create_index("ix_seats_newest", "seats", ["created_at", "id"])


def downgrade() -> None:
    op.drop_table("seats")
    for table, column, _ in reversed(_COLUMNS):
        op.drop_column(table, column)
