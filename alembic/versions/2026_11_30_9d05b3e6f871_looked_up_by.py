"""looked up by

Indexes for what is looked up with each webhook, purchase and portal visit, for one reader, or each minute.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "9d05b3e6f871"
down_revision: str | None = "94b0d7e2f6c1"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEXES: tuple[tuple[str, str, list[str], str | None], ...] = (
    ("ix_subscriptions_customer_id", "subscriptions", ["customer_id"], None),
    ("ix_passes_checkout_id", "passes", ["checkout_id"], None),
    ("ix_stripe_inbox_object_id", "stripe_inbox", ["object_id"], None),
    ("ix_stripe_inbox_subscription_id", "stripe_inbox", ["subscription_id"], None),
    ("ix_stripe_inbox_customer_id", "stripe_inbox", ["customer_id"], None),
    ("ix_audit_log_target", "audit_log", ["target"], None),
    ("ix_subscriptions_outside", "subscriptions", ["outside", "reader_id"], "outside <> ''"),
    ("ix_webhook_deliveries_failed", "webhook_deliveries", ["endpoint_id"], "status = 'failed'"),
)


def upgrade() -> None:
    for name, table, columns, where in _INDEXES:
        build_index(name, table, columns, where)


def downgrade() -> None:
    for name, table, _, _ in reversed(_INDEXES):
        drop_index(name, table)
