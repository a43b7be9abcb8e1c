"""articles by source

Imported articles are found by their source's id, which stands beside their tags from now on. The
rows change nothing for the release before.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op
from service.db.base import Json

revision: str = "c41e8b6f2a90"
down_revision: str | None = "c81e6f20d94b"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_PAGE = 1000
_LONGEST_KEY = 500

_articles = sa.table("articles", sa.column("id", sa.String()), sa.column("source_ids", Json()))
_terms = sa.table(
    "article_terms",
    sa.column("kind", sa.String()),
    sa.column("term", sa.String()),
    sa.column("article_id", sa.String()),
)


def upgrade() -> None:
    connection = op.get_bind()
    last = ""
    query = sa.select(_articles.c.id, _articles.c.source_ids).order_by(_articles.c.id).limit(_PAGE)
    while page := connection.execute(query.where(_articles.c.id > last)).all():
        keys = [(row.id, f"wordpress_guid={row.source_ids.get('wordpress_guid')}") for row in page]
        rows = [
            {"kind": "source", "term": key, "article_id": article}
            for article, key in keys
            if not key.endswith("=None") and len(key) <= _LONGEST_KEY
        ]
        if rows:
            connection.execute(_terms.insert(), rows)
        last = page[-1].id


def downgrade() -> None:
    op.execute(_terms.delete().where(_terms.c.kind.in_(("source", "former_slug"))))
