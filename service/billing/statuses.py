"""The states of a subscription at Stripe, and what several of them have in common: pure."""

LIVE_STATUSES = frozenset({"trialing", "active", "past_due", "unpaid", "paused"})
"""Not over: a second subscription beside one of these would be a mistake."""
NEVER_STARTED = frozenset({"incomplete", "incomplete_expired"})
"""The first payment wasn't completed, or not yet."""
TERMINAL_STATUS = "canceled"
OWING = frozenset({"past_due", "unpaid"})
