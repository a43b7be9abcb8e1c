"""account numbers of rights

A keyed hash of the number alone, by which a subscriber who moves is known again. It is filled when the source sends
the right next; the release before doesn't know the column.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "a93d5e17c0b6"
down_revision: str | None = "c4f08d7b63e9"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("rights", sa.Column("number_hash", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("rights", "number_hash")
