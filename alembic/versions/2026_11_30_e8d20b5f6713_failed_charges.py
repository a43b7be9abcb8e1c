"""failed charges

Finds the few charges that failed, from which open payments are counted.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "e8d20b5f6713"
down_revision: str | None = "c4e7a1905bd2"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEX = "ix_charges_failed"


def upgrade() -> None:
    build_index(_INDEX, "charges", ["invoice_id", "created_at"], where="status = 'failed'")


def downgrade() -> None:
    drop_index(_INDEX, "charges")
