"""Why banks decline charges, in words."""

from collections.abc import Mapping

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
