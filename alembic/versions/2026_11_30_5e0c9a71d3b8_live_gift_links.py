"""live gift links

An index of the links that some device has opened and that haven't been switched off, so that a start reads which
articles they are of from it alone.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "5e0c9a71d3b8"
down_revision: str | None = "f7a3c59d1e02"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    build_index(
        "ix_gift_links_live", "gift_links", ["article_id", "ends_at"], "ended_at IS NULL AND readers > 0"
    )  # fmt: skip


def downgrade() -> None:
    drop_index("ix_gift_links_live", "gift_links")
