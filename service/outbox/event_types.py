"""The types of what happens to readers, as the ledger and outgoing webhooks name them."""

from typing import Literal, get_args

EventType = Literal[
    "reader.created",
    "reader.merged",
    "reader.erased",
    "subscription.started",
    "subscription.trial_will_end",
    "subscription.trial_paid",
    "subscription.renewed",
    "subscription.payment_failed",
    "subscription.recovered",
    "subscription.cancel_scheduled",
    "subscription.resumed",
    "subscription.paused",
    "subscription.collection_paused",
    "subscription.collection_resumed",
    "subscription.switched",
    "subscription.ended",
    "subscription.disputed",
    "subscription.dispute_closed",
    "payment.refunded",
    "pass.bought",
    "pass.ended",
    "gift.bought",
    "gift.redeemed",
    "right.started",
    "right.changed",
    "right.ended",
]
EVENT_TYPES: frozenset[str] = frozenset(get_args(EventType))
