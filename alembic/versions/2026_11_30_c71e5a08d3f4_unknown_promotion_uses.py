"""unknown promotion uses

Finds the uses of promotion codes of which it is to be looked up what became of them, and those of a pass.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "c71e5a08d3f4"
down_revision: str | None = "9b7e42d0c8a5"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    build_index("ix_promotion_uses_pass_id", "promotion_uses", ["pass_id"])
    build_index("ix_promotion_uses_unknown", "promotion_uses", ["discount_id"], "paid IS NULL")


def downgrade() -> None:
    drop_index("ix_promotion_uses_unknown", "promotion_uses")
    drop_index("ix_promotion_uses_pass_id", "promotion_uses")
