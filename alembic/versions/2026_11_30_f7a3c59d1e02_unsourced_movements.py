"""unsourced movements

Finds the movements that aren't added up by source yet, and the checkout of a subscription.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "f7a3c59d1e02"
down_revision: str | None = "d4b8e20f91c6"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    build_index(
        "ix_movements_unsourced", "movements", ["customer"],
        "sourced_as IS NULL OR sourced_as <> customer OR source_due",
    )  # fmt: skip
    build_index("ix_checkouts_stripe_subscription_id", "checkouts", ["stripe_subscription_id"])


def downgrade() -> None:
    drop_index("ix_checkouts_stripe_subscription_id", "checkouts")
    drop_index("ix_movements_unsourced", "movements")
