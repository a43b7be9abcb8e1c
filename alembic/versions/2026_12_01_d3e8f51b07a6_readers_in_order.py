"""readers in order

An index in whose order distinct readers who pay are counted. And of readers who were merged or erased those alone: the
list of all others is in the order of its own index, which SQLite passed over for these, and sorted. Charges, too, have an index in the order of their list.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "d3e8f51b07a6"
down_revision: str | None = "b7d2f40a91c6"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_PAYS = (
    "status IN ('active', 'past_due') AND recurring_amount > 0"
    " AND access_stop NOT IN ('duplicate', 'trial_used')"
)
_FEW = (("merged", "merged_into"), ("erased", "erased_at"))


def upgrade() -> None:
    columns = ["reader_id", "pauses_collection", "offer_id"]
    build_index("ix_subscriptions_paying", "subscriptions", columns, where=_PAYS)
    for name, column in _FEW:
        build_index(f"ix_readers_{name}", "readers", [column], where=f"{column} IS NOT NULL")
        drop_index(f"ix_readers_{column}", "readers")
    build_index("ix_charges_newest", "charges", ["created_at", "id"])
    drop_index("ix_charges_created_at", "charges")


def downgrade() -> None:
    build_index("ix_charges_created_at", "charges", ["created_at"])
    drop_index("ix_charges_newest", "charges")
    for name, column in _FEW:
        build_index(f"ix_readers_{column}", "readers", [column])
        drop_index(f"ix_readers_{name}", "readers")
    drop_index("ix_subscriptions_paying", "subscriptions")
