"""crawlers

Crawlers that the newsroom named, with what proves who they are. A new table that the release before doesn't know.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from alembic import op

revision: str = "9b42ce71d0f5"
down_revision: str | None = "6f20b8c4e1d7"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "crawlers",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("category", sa.String(), nullable=False),
        sa.Column("agents", _JSON, nullable=False),
        sa.Column("hosts", _JSON, nullable=False),
        sa.Column("networks", _JSON, nullable=False),
        sa.Column("keys", _JSON, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_crawlers")),
    )


def downgrade() -> None:
    op.drop_table("crawlers")
