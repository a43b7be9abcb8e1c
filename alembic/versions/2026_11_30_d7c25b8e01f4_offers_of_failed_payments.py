"""offers of failed payments

What an invoice billed whose charge failed, beside what became of it, for reports.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "d7c25b8e01f4"
down_revision: str | None = "b3f60d92e8a7"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("dunning_episodes", sa.Column("offer_id", sa.String(), nullable=True))
    op.execute(
        "UPDATE dunning_episodes SET offer_id ="
        " (SELECT offer_id FROM invoices WHERE invoices.id = dunning_episodes.invoice_id)"
    )


def downgrade() -> None:
    op.drop_column("dunning_episodes", "offer_id")
