"""Card forms: what somebody typed, made sense of."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from service.simulator.payments.card_numbers import CARDS, PAYING_CARD, Card, Decline

_SHORTEST, _LONGEST = 12, 19


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
    is_number = number.isascii() and number.isdigit() and _SHORTEST <= len(number) <= _LONGEST
    if not is_number or not has_check_digit(number):
        raise Decline("incorrect_number", None, "Your card number is incorrect.").error()
    card = CARDS.get(number)
    if card is None:
        raise Decline(
            "card_declined",
            "test_mode_live_card",
            f"The local Stripe takes only Stripe's test cards, such as {PAYING_CARD}.",
        ).error()
    month, year = read_expiry(entry.expiry, now)
    if not re.fullmatch(r"[0-9]{3,4}", entry.cvc.strip()):
        raise Decline("invalid_cvc", None, "Your card's security code is invalid.", "cvc").error()
    return ReadCard(card, month, year)


def has_check_digit(number: str) -> bool:
    """Whether a number's last digit fits the others (Luhn), as on every card."""
    doubled = [int(digit) * (2 if place % 2 else 1) for place, digit in enumerate(number[::-1])]
    return sum(value // 10 + value % 10 for value in doubled) % 10 == 0


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
