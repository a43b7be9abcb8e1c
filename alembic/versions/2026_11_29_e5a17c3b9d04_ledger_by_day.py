"""ledger by day

The ledger added up by day, for reports. Days are added up by the running service.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "e5a17c3b9d04"
down_revision: str | None = "e58a1c3d90b4"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "rolled_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("rolled_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_rolled_days")),
    )
    op.create_table(
        "ledger_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("article_id", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("wall", sa.String(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "article_id", "reason", "wall", name=op.f("pk_ledger_days")),
    )
    op.create_table(
        "holder_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("reads", sa.Integer(), nullable=False),
        sa.Column("counted", sa.Integer(), nullable=False),
        sa.Column("subscribe_wall_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("register_wall_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("day", "holder", name=op.f("pk_holder_days")),
    )
    # An erasure looks a holder up.
    op.create_index(op.f("ix_holder_days_holder"), "holder_days", ["holder"])


def downgrade() -> None:
    op.drop_table("holder_days")
    op.drop_table("ledger_days")
    op.drop_table("rolled_days")
