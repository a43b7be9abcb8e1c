"""The test cards (https://docs.stripe.com/testing) and what each of them does."""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from service.simulator.protocol.errors import StripeError

PAYING_CARD = "4242424242424242"
_DECLINED = "Your card was declined."
_SHORTEST, _LONGEST = 12, 19


@dataclass(frozen=True)
class Decline:
    """Why a bank refuses a charge; `field` is where the form shows it."""

    code: str
    decline_code: str | None
    message: str
    field: str = "card"

    def error(self) -> StripeError:
        """The refusal as the API words it."""
        return StripeError(
            402,
            self.message,
            kind="card_error",
            code=self.code,
            decline_code=self.decline_code,
            param={"card": None, "exp": "exp_year"}.get(self.field, self.field),
        )


@dataclass(frozen=True)
class Card:
    """A test card: `on_attach` refuses it at once, `on_charge` each time money is asked.

    `asks` says when its bank wants its holder to confirm (3-D Secure): until that was done once
    for charges in the holder's absence, or at every charge. A charge to one that `disputes` is
    contested; `refund_later` is what becomes of a refund within an hour.
    """

    number: str
    on_attach: Decline | None = None
    on_charge: Decline | None = None
    asks: Literal["never", "until_set_up", "always"] = "never"
    disputes: Literal["never", "chargeback", "inquiry"] = "never"
    refund_later: Literal["succeeded", "failed"] | None = None

    @property
    def fingerprint(self) -> str:
        """The same for the same number, always."""
        return hashlib.sha256(self.number.encode()).hexdigest()[:16]


_GENERIC = Decline("card_declined", "generic_decline", _DECLINED)
CARDS = {
    card.number: card
    for card in (
        Card(PAYING_CARD),
        Card("4000000000000002", on_attach=_GENERIC),
        Card(
            "4000000000009995",
            on_attach=Decline(
                "card_declined", "insufficient_funds", "Your card has insufficient funds."
            ),
        ),
        Card("4000000000009987", on_attach=Decline("card_declined", "lost_card", _DECLINED)),
        Card(
            "4000000000000069",
            on_attach=Decline("expired_card", "expired_card", "Your card has expired.", "exp"),
        ),
        Card(
            "4000000000000127",
            on_attach=Decline(
                "incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.", "cvc"
            ),
        ),
        Card("4000000000000341", on_charge=_GENERIC),
        Card("4000000000000259", disputes="chargeback"),
        Card("4000000000001976", disputes="inquiry"),
        Card("4000000000007726", refund_later="succeeded"),
        Card("4000000000005126", refund_later="failed"),
        Card("4000002500003155", asks="until_set_up"),
        Card("4000002760003184", asks="always"),
    )
}


@dataclass(frozen=True)
class CardEntry:
    """What somebody typed into a card form. `expiry` is MM/YY or MM/YYYY."""

    number: str
    expiry: str
    cvc: str


@dataclass(frozen=True)
class ReadCard:
    """A card entry that makes sense."""

    card: Card
    exp_month: int
    exp_year: int


def default_expiry(now: int) -> str:
    """An expiry three years after the world's time, for forms and hooks."""
    return f"12/{datetime.fromtimestamp(now, UTC).year + 3}"


def read_card(entry: CardEntry, now: int) -> ReadCard:
    """Make sense of a card entry at a time of the world.

    Raises:
        StripeError: 402 card_error: no number, not a test card, expired, no such date or code.
    """
    number = re.sub(r"[\s-]", "", entry.number)
    if not number.isascii() or not number.isdigit() or not _SHORTEST <= len(number) <= _LONGEST:
        raise Decline("incorrect_number", None, "Your card number is incorrect.").error()
    card = CARDS.get(number)
    if card is None:
        raise Decline(
            "card_declined",
            "test_mode_live_card",
            "The local Stripe takes only its test cards: " + ", ".join(CARDS) + ".",
        ).error()
    month, year = read_expiry(entry.expiry, now)
    if not re.fullmatch(r"[0-9]{3,4}", entry.cvc.strip()):
        raise Decline("invalid_cvc", None, "Your card's security code is invalid.", "cvc").error()
    return ReadCard(card, month, year)


def read_expiry(expiry: str, now: int) -> tuple[int, int]:
    """Month and year of `MM/YY` or `MM/YYYY`, not in the past.

    Raises:
        StripeError: 402 card_error.
    """
    match = re.fullmatch(r"\s*([0-9]{1,2})\s*[/-]\s*([0-9]{2}|[0-9]{4})\s*", expiry)
    month = int(match[1]) if match else 0
    if match is None or not 1 <= month <= 12:  # noqa: PLR2004 - months of a year
        raise Decline(
            "invalid_expiry_month", None, "Your card's expiration month is invalid.", "exp"
        ).error()
    year = int(match[2]) + (2000 if len(match[2]) == len("26") else 0)
    today = datetime.fromtimestamp(now, UTC)
    if (year, month) < (today.year, today.month):
        raise Decline(
            "invalid_expiry_year",
            "invalid_expiry_year",
            "Your card's expiration year is in the past.",
            "exp",
        ).error()
    return month, year
