"""What each kind of job is called on pages; the API has the kinds themselves."""

from collections.abc import Mapping
from types import MappingProxyType

JOB_WORDS: Mapping[str, str] = MappingProxyType({
    "gift-arrange": "Arrange a gift subscription",
    "gift-send": "Send a gift subscription",
    "mail": "Send a mail",
    "recut": "Rebuild all previews",
    "nightly-reconcile": "Nightly reconciliation with Stripe",
    "reconcile": "Reconciliation on request",
    "stripe-cancel": "Cancel a subscription at Stripe",
    "stripe-contact": "Change a customer’s address at Stripe",
    "stripe-event": "Process a Stripe event",
    "stripe-import": "Import subscriptions from Stripe",
    "stripe-refund": "Refund at Stripe",
    "stripe-sync": "Fetch a subscription from Stripe",
    "sweep-canary": "Clean up after a leak check",
    "webhook": "Deliver a webhook",
    "weekly-mail": "Send the weekly mail",
})  # fmt: skip
