"""former grants

What a grant said until it was changed, so that a decision of the past can be explained. Rows from before have no
`recorded_since`: what they said before they were last changed isn't known.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "6d1c94e7b0a5"
down_revision: str | None = "4b7d91e2c6f3"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("grants", sa.Column("recorded_since", sa.DateTime(timezone=True), nullable=True))
    op.create_table(
        "former_grants",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("grant_id", sa.String(), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("scope", sa.String(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("in_grace", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["grant_id"],
            ["grants.id"],
            name=op.f("fk_former_grants_grant_id_grants"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_former_grants")),
    )
    op.create_index(op.f("ix_former_grants_grant_id"), "former_grants", ["grant_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_former_grants_grant_id"), table_name="former_grants")
    op.drop_table("former_grants")
    op.drop_column("grants", "recorded_since")
