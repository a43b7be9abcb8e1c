"""experiments

Plans and runs; by what they know a reader; which audience met a wall, and the variant in its row of the ledger.
All of it is absent on what the running release writes.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision: str = "b62f0e8d47a5"
down_revision: str | None = "47d9f1e80b3c"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "experiments",
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column(
            "document",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
            nullable=False,
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_experiments")),
    )
    op.add_column("readers", sa.Column("experiment_unit", sa.String(), nullable=True))
    op.add_column("access_ledger", sa.Column("audience", sa.String(), nullable=True))
    op.add_column("access_ledger", sa.Column("variant", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("access_ledger", "variant")
    op.drop_column("access_ledger", "audience")
    op.drop_column("readers", "experiment_unit")
    op.drop_table("experiments")
