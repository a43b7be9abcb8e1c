"""lists of a million

Indexes by which the back office's lists find their first page among a million subscribers.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "a4c81e6f2d95"
down_revision: str | None = "e92b6d10f37c"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_SOLD = (
    "offer_id", "currency", "interval", "interval_count", "status", "pauses_collection", "access_stop",
    "outside", "recurring_amount", "reader_id",
)  # fmt: skip
_LAST = ["last_source", "last_referrer_host", "checkout_id"]
_INSTEAD_OF = (
    ("ix_readers_email", "readers", "email"),
    ("ix_movements_at", "movements", "at"),
    ("ix_movements_customer", "movements", "customer"),
)


def upgrade() -> None:
    build_index("ix_readers_address", "readers", ["email", "id"])
    newest = ["at", "subscription_id", "number", "kind", "cause"]
    build_index("ix_movements_newest", "movements", newest)
    of_reader = ["customer", "at", "subscription_id", "number"]
    build_index("ix_movements_of_reader", "movements", of_reader)
    build_index("ix_subscriptions_plan", "subscriptions", ["plan", "status", "reader_id"])
    build_index("ix_subscriptions_offer", "subscriptions", [*_SOLD])
    build_index(
        "ix_subscriptions_discounted", "subscriptions", ["status"], where="discounts <> '[]'"
    )
    build_index("ix_checkout_touches_last", "checkout_touches", _LAST)
    for name, table, _ in _INSTEAD_OF:
        drop_index(name, table)


def downgrade() -> None:
    for name, table, column in _INSTEAD_OF:
        build_index(name, table, [column])
    drop_index("ix_checkout_touches_last", "checkout_touches")
    for name in ("discounted", "offer", "plan"):
        drop_index(f"ix_subscriptions_{name}", "subscriptions")
    for name in ("newest", "of_reader"):
        drop_index(f"ix_movements_{name}", "movements")
    drop_index("ix_readers_address", "readers")
