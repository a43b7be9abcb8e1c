"""movements to add up

Finds the movements that aren't added up by day. By itself, since it is built beside the running service.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "c1d5a80b37f2"
down_revision: str | None = "5c0e7f1a94d2"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_UNROLLED = "rolled_as IS NULL OR rolled_as <> customer"


def upgrade() -> None:
    build_index("ix_movements_unrolled", "movements", ["customer"], where=_UNROLLED)


def downgrade() -> None:
    drop_index("ix_movements_unrolled", "movements")
