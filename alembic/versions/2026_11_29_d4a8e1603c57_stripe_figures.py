"""stripe figures

Figures from Stripe's own dashboard, with ours beside them, and what something else sells on the account.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision: str = "d4a8e1603c57"
down_revision: str | None = "f36b0d9c58e1"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("reconciliations", sa.Column("foreign", _JSON, nullable=True))
    op.create_table(
        "stripe_figures",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("figure", sa.String(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.Column("discounts", sa.String(), nullable=False),
        sa.Column("churn", sa.String(), nullable=False),
        sa.Column("start", sa.String(), nullable=False),
        sa.Column("ours", sa.BigInteger(), nullable=False),
        sa.Column("parts", _JSON, nullable=False),
        sa.Column("perhaps", _JSON, nullable=False),
        sa.Column("foreign_as_of", sa.DateTime(timezone=True), nullable=True),
        sa.Column("entered_by", sa.String(), nullable=False),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_stripe_figures"),
    )
    op.create_index("ix_stripe_figures_listing", "stripe_figures", ["at", "id"])


def downgrade() -> None:
    op.drop_table("stripe_figures")
    op.drop_column("reconciliations", "foreign")
