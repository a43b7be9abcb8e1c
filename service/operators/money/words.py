"""Stripe's words for money in an operator's: what stands here for a key stands on the pages."""

from collections.abc import Mapping

from service.finance.declines import declined

CATEGORIES: Mapping[str, str] = {
    "charge": "Charges",
    "charge_failure": "Failed charges, such as returned bank debits",
    "partial_capture_reversal": "Authorised but not captured",
    "refund": "Refunds",
    "refund_failure": "Failed refunds",
    "dispute": "Disputes",
    "dispute_reversal": "Disputes won",
    "fee": "Stripe's fees for the account",
    "payout_reversal": "Returned payouts",
}
_STATUSES: Mapping[str, str] = {
    "needs_response": "Needs response",
    "under_review": "Under review",
    "won": "Won",
    "lost": "Lost",
    "warning_needs_response": "Inquiry, needs response",
    "warning_under_review": "Inquiry, under review",
    "warning_closed": "Inquiry, closed",
}


def dispute_words(status: str) -> str:
    """What there is to do about a dispute."""
    return _STATUSES.get(status, declined(status).capitalize())
