"""Stripe's words for money in an operator's: what stands here for a key stands on the pages."""

from collections.abc import Mapping

from service.finance.declines import declined

CATEGORIES: Mapping[str, str] = {
    "charge": "Charges",
    "charge_failure": "Charges that failed later, such as bank debits",
    "partial_capture_reversal": "Authorised, and not charged",
    "refund": "Refunds",
    "refund_failure": "Refunds that failed",
    "dispute": "Disputes",
    "dispute_reversal": "Disputes won",
    "fee": "Stripe's fees for the account",
    "payout_reversal": "Payouts that came back",
}
_STATUSES: Mapping[str, str] = {
    "needs_response": "Answer needed",
    "under_review": "The bank looks at it",
    "won": "Won",
    "lost": "Lost",
    "warning_needs_response": "Inquiry, answer needed",
    "warning_under_review": "Inquiry, the bank looks at it",
    "warning_closed": "Inquiry, closed",
}


def dispute_words(status: str) -> str:
    """What there is to do about a dispute."""
    return _STATUSES.get(status, declined(status).capitalize())
