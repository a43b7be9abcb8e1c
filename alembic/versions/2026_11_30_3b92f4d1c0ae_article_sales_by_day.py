"""article sales by day

What was bought at the walls of articles, counted by day for reports. The running service counts it; until then
figures come from checkouts and the ledger.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "3b92f4d1c0ae"
down_revision: str | None = "e8d20b5f6713"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("rolled_days", sa.Column("sales_counted_on", sa.Date(), nullable=True))
    op.create_table(
        "article_sale_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("article_id", sa.String(), nullable=False),
        sa.Column("sold", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("day", "article_id", name=op.f("pk_article_sale_days")),
    )


def downgrade() -> None:
    op.drop_table("article_sale_days")
    op.drop_column("rolled_days", "sales_counted_on")
