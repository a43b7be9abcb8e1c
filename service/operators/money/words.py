"""Stripe's words for money in an operator's: what stands here for a key stands on the pages."""

from collections.abc import Mapping

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

_NO_REASON = "Refused by the bank, without a reason"
_DECLINES: Mapping[str, str] = {
    "insufficient_funds": "Not enough money on the account",
    "do_not_honor": _NO_REASON,
    "generic_decline": _NO_REASON,
    "card_declined": _NO_REASON,
    "transaction_not_allowed": "The card can’t be used for this",
    "expired_card": "The card has expired",
    "lost_card": "The card was reported lost",
    "stolen_card": "The card was reported stolen",
    "authentication_required": "The reader has to confirm it with the bank",
    "processing_error": "A fault at the bank",
}


def decline_words(decline: str) -> str:
    """Why the bank refused, in a sentence where the code is known."""
    return _DECLINES.get(decline, declined(decline).capitalize())


def declined(decline: str) -> str:
    """`insufficient_funds` as `insufficient funds`: the bank's own word, readable."""
    return decline.replace("_", " ")


def dispute_words(status: str) -> str:
    """What there is to do about a dispute."""
    return _STATUSES.get(status, declined(status).capitalize())
