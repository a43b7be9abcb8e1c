"""readers by age

The list of all readers goes from the newest on: without an index each page sorts all of them.
Building it holds up new readers for a moment, and nobody who reads.
"""

from collections.abc import Sequence

from alembic import op
from service.db.building import drop_index

revision: str = "e58a1c3d90b4"
down_revision: str | None = "2b6d8f40a9c7"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index("ix_readers_newest", "readers", ["created_at", "id"])


def downgrade() -> None:
    drop_index("ix_readers_newest", "readers")
