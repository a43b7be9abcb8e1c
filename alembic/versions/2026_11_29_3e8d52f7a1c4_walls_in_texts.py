"""walls in texts

Whom a wall in an article's text leaves it to, which no rule may undercut. Empty on what is there already
until `paywall articles previews --recut`, and on what the release before writes.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "3e8d52f7a1c4"
down_revision: str | None = "a93d5e17c0b6"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("articles", sa.Column("wall_level", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("articles", "wall_level")
