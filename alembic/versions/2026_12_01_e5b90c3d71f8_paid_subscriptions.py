"""paid subscriptions

Indexes by which the first page finds the few paid subscriptions that are scheduled to end, or paused, by which the
page of offers adds up those that are sold, instead of one that had all of them, and by which purchases that were given
back, what began with a discount, and movements that a rare source led to, are found.
"""

from collections.abc import Sequence

from service.db.building import build_index, drop_index

revision: str = "e5b90c3d71f8"
down_revision: str | None = "d3e8f51b07a6"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_PAID = (
    "status IN ('active', 'past_due') AND recurring_amount > 0"
    " AND access_stop NOT IN ('duplicate', 'trial_used')"
)
_COLLECTED = f"{_PAID} AND pauses_collection IS false"
_PRICE = ["currency", "interval", "interval_count"]
_SUMMED = (
    "offer_id", "currency", "interval", "interval_count", "status", "pauses_collection", "access_stop",
    "outside", "recurring_amount", "reader_id",
)  # fmt: skip
_LED = ("led_source", "led_last_source", "led_campaign")
_NAMES = ("sold", "of_offer", "ending", "paused", "given_back")


def upgrade() -> None:
    table = "subscriptions"
    sold = ["offer_id", *_PRICE, "recurring_amount"]
    build_index("ix_subscriptions_sold", table, sold, where=_COLLECTED)
    of_offer = ["offer_id", "status", "outside", "reader_id"]
    build_index("ix_subscriptions_of_offer", table, of_offer)
    ending, is_ending = [*_PRICE, "plan", "recurring_amount"], " AND cancel_at IS NOT NULL"
    build_index("ix_subscriptions_ending", table, ending, where=_COLLECTED + is_ending)
    paused = f"{_PAID} AND pauses_collection IS true"
    build_index("ix_subscriptions_paused", table, ["reader_id"], where=paused)
    given_back = "access_stop IN ('duplicate', 'trial_used')"
    build_index("ix_subscriptions_given_back", table, ["id"], where=given_back)
    discounted = "discounts <> '[]'"
    build_index("ix_movements_discounted", "movements", ["at", "kind"], where=discounted)
    for each in _LED:
        build_index(f"ix_movements_{each}", "movements", [each])
    drop_index("ix_subscriptions_offer", table)


def downgrade() -> None:
    build_index("ix_subscriptions_offer", "subscriptions", [*_SUMMED])
    for each in ("discounted", *_LED):
        drop_index(f"ix_movements_{each}", "movements")
    for name in _NAMES:
        drop_index(f"ix_subscriptions_{name}", "subscriptions")
