"""live grants

An index by which the live grants of a reader with thousands of old ones are found without reading those.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "b7d2f40a91c6"
down_revision: str | None = "a4c81e6f2d95"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    build_index("ix_grants_of_reader", "grants", ["reader_id", "ends_at"])
    drop_index("ix_grants_reader", "grants")


def downgrade() -> None:
    build_index("ix_grants_reader", "grants", ["reader_id"])
    drop_index("ix_grants_of_reader", "grants")
