"""What a price may be, and how it reads: pure, no I/O.

Amounts are integers in the currency's minor unit **as Stripe counts it** (Stripe, "Supported
currencies"): ISO 4217's exponent, save that ISK and UGX are written with two decimals that are
always zero, and MGA with none.
"""

import re
from calendar import monthrange
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, TypeGuard, get_args

from service.currencies import THREE_DECIMALS, decimals, known_currency

Interval = Literal["day", "week", "month", "year"]
Kind = Literal["subscription", "pass", "gift"]
"""A subscription is paid again each period; a pass is paid once and opens for one period; a gift is a period
that somebody pays once for somebody else.
"""
PAID_ONCE: frozenset[str] = frozenset({"pass", "gift"})
Covers = Literal["plan", "article"]
"""What a pass opens: all that its plan does, or the one article it was bought for."""

SoldTo = Literal["everybody", "former"]
"""former: readers who subscribed before."""

# Stripe refuses amounts that aren't a multiple of these (its pages on three-decimal currencies
# and on ISK and UGX).
_STEPS = {**dict.fromkeys(THREE_DECIMALS, 10), "ISK": 100, "UGX": 100}
_TYPED = re.compile(r"([0-9]{1,10})(?:([.,])([0-9]{1,3}))?")
_THOUSANDS = 3
_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}
_LONGEST_PERIOD = {"day": 1095, "week": 156, "month": 36, "year": 3}
"""Stripe bills at least every three years."""
LARGEST_AMOUNT = 99_999_999
_SMALLEST = {
    **dict.fromkeys(["AUD", "BRL", "CAD", "CHF", "EUR", "INR", "JPY", "NZD", "SGD", "USD"], 50),
    **dict.fromkeys(["AED", "MYR", "PLN", "RON"], 200),
    **dict.fromkeys(["NOK", "SEK"], 300),
    **dict.fromkeys(["MXN", "THB"], 1000),
    "BGN": 100, "CZK": 1500, "DKK": 250, "GBP": 30, "HKD": 400, "HUF": 17500,
}  # fmt: skip
"""Stripe charges no less at once (its page "Minimum and maximum charge amounts")."""
LONGEST_TRIAL_DAYS = 730
_MONTHS = {"month": 1, "year": 12}
LONGEST_INTRO_MONTHS = 36


class InvalidPrice(ValueError):
    """`field` can't have this value, for the reason given."""

    def __init__(self, field: str, reason: str) -> None:
        self.field, self.reason = field, reason
        super().__init__(f"{field}: {reason}")


@dataclass(frozen=True)
class Price:
    """`amount` in the currency's minor unit, for each `interval_count` intervals or, of a pass, once.

    Each of the first `intro_periods` costs `intro_amount`, where there is one.
    """

    amount: int
    currency: str
    interval: Interval
    interval_count: int = 1
    trial_days: int = 0
    kind: Kind = "subscription"
    covers: Covers = "plan"
    intro_amount: int | None = None
    intro_periods: int = 0
    most_seats: int = 0
    """How many seats can be bought, each at `amount`; 0: it isn't sold by the seat."""


MOST_SEATS = 1000


def checked_price(
    *,
    amount: int,
    currency: str,
    interval: str,
    interval_count: int = 1,
    trial_days: int = 0,
    kind: Kind = "subscription",
    covers: Covers = "plan",
    intro_amount: int | None = None,
    intro_periods: int = 0,
    most_seats: int = 0,
) -> Price:
    """The price, its currency in capitals, or InvalidPrice."""
    currency = currency.upper()
    try:
        known_currency(currency)
    except ValueError as error:
        raise InvalidPrice("currency", str(error)) from error
    _check_amount("amount", amount, currency)
    if not _is_interval(interval):
        raise InvalidPrice("interval", f"{interval!r} is none of {', '.join(get_args(Interval))}")
    longest = _LONGEST_PERIOD[interval]
    if not 1 <= interval_count <= longest:
        raise InvalidPrice("interval_count", f"1 to {longest} {interval}s are possible")
    if not 0 <= trial_days <= LONGEST_TRIAL_DAYS:
        raise InvalidPrice("trial_days", f"0 to {LONGEST_TRIAL_DAYS} days are possible")
    price = Price(
        amount, currency, interval, interval_count, trial_days, kind, covers, intro_amount,
        intro_periods, most_seats,
    )  # fmt: skip
    if kind in PAID_ONCE and trial_days:
        raise InvalidPrice("trial_days", f"a {kind} is paid once and has no trial")
    if kind != "pass" and covers == "article":
        raise InvalidPrice("covers", "only a pass can open a single article")
    _check_intro(price)
    _check_seats(price)
    return price


def _check_amount(field: str, amount: int, currency: str) -> None:
    if not 0 < amount <= LARGEST_AMOUNT:
        raise InvalidPrice(field, f"{amount} isn't between 1 and {LARGEST_AMOUNT} minor units")
    smallest = _SMALLEST.get(currency, 1)
    if amount < smallest:
        raise InvalidPrice(field, f"Stripe charges at least {amount_text(smallest, currency)}")
    step = _STEPS.get(currency, 1)
    if amount % step:
        raise InvalidPrice(field, f"Stripe charges {currency} in multiples of {step} only")


def _check_seats(price: Price) -> None:
    if not price.most_seats:
        return
    if price.kind != "subscription" or price.intro_amount is not None:
        raise InvalidPrice(
            "most_seats", "only a subscription without an intro price is sold by the seat"
        )
    if not 1 < price.most_seats <= MOST_SEATS:
        raise InvalidPrice("most_seats", f"2 to {MOST_SEATS} seats are possible")


def _check_intro(price: Price) -> None:
    """What a coupon at Stripe can't do is no intro: it counts in months, and from the start on."""
    if price.intro_amount is None:
        if price.intro_periods:
            raise InvalidPrice("intro_periods", "say what they cost too, by the intro amount")
        return
    if price.kind in PAID_ONCE:
        raise InvalidPrice("intro_amount", f"a {price.kind} is paid once and has no intro price")
    if price.trial_days:
        raise InvalidPrice("intro_amount", "an offer has a trial or an intro price, not both")
    _check_amount("intro_amount", price.intro_amount, price.currency)
    if price.intro_amount >= price.amount:
        raise InvalidPrice("intro_amount", "it must be less than the amount that follows")
    if price.intro_periods < 1:
        raise InvalidPrice("intro_periods", "at least 1 period has the intro price")
    if price.intro_periods > 1 and price.interval not in _MONTHS:
        raise InvalidPrice(
            "intro_periods",
            f"Stripe reduces several periods by the month: of a price by the {price.interval} only "
            "the first can cost less",
        )
    if (intro_months(price) or 0) > LONGEST_INTRO_MONTHS:
        raise InvalidPrice("intro_periods", f"an intro lasts {LONGEST_INTRO_MONTHS} months at most")


def intro_months(price: Price) -> int | None:
    """For how many months the intro reduces what is paid; None: only the first payment."""
    if price.intro_periods <= 1:
        return None
    return _MONTHS[price.interval] * price.interval_count * price.intro_periods


def _is_interval(value: str) -> TypeGuard[Interval]:
    return value in get_args(Interval)


def end_of_pass(price: Price, starts_at: datetime) -> datetime:
    """When a pass that opens at `starts_at` closes: days and weeks of 24 hours each, months and
    years by the calendar in UTC, on the month's last day where it has no such day.
    """
    match price.interval:
        case "day":
            return starts_at + timedelta(days=price.interval_count)
        case "week":
            return starts_at + timedelta(weeks=price.interval_count)
        case _:
            months = starts_at.month - 1 + _MONTHS[price.interval] * price.interval_count
            year, month = starts_at.year + months // 12, months % 12 + 1
            day = min(starts_at.day, monthrange(year, month)[1])
            return starts_at.replace(year=year, month=month, day=day)


def minor_units(typed: str, currency: str) -> int:
    """The amount that a person typed: `9`, `9.5`, `9.00` and `9,00` are 900 in euros, 9 is ¥9.

    ValueError says how to write it: digits grouped by thousands could be read in two ways.
    """
    places = decimals(currency)
    found = _TYPED.fullmatch(typed.strip())
    whole, mark, fraction = found.groups(default="") if found else ("", "", "")
    amount = int(whole + fraction.ljust(places, "0") or "0")
    if not amount or len(fraction) > places or (mark == "," and len(fraction) == _THOUSANDS):
        example = f"9.{'0' * places}" if places else "900"
        raise ValueError(
            f"enter an amount in {currency} like {example}, without its thousands grouped"
        )
    return amount


def amount_text(amount: int, currency: str) -> str:
    """`€9.00`, `¥500`, `CHF 12.50`."""
    places = decimals(currency)
    whole, fraction = divmod(amount, 10**places)
    value = f"{whole:,}.{fraction:0{places}d}" if places else f"{whole:,}"
    symbol = _SYMBOLS.get(currency)
    return f"{symbol}{value}" if symbol else f"{currency} {value}"


def price_text(price: Price) -> str:
    """What a buyer reads: `€9.00 a month`, `30 days free, then €25.00 every 3 months`,
    `€1.00 a month for 3 months, then €9.00 a month`, `€2.00 for a day`,
    `€0.90 for this article, for a week`.
    """
    amount = amount_text(price.amount, price.currency)
    if price.kind in PAID_ONCE:
        what = "for this article, for" if price.covers == "article" else "for"
        return f"{amount} {what} {_span(price.interval, price.interval_count, 'a')}"
    period = period_text(price.interval, price.interval_count)
    text = f"{amount} {period}"
    if price.most_seats:
        text += ", for each reader"
    if price.intro_amount is not None:
        first = amount_text(price.intro_amount, price.currency)
        if price.intro_periods == 1:
            span = _span(price.interval, price.interval_count, "the first")
            return f"{first} for {span}, then {text}"
        span = _span(price.interval, price.interval_count * price.intro_periods, "a")
        return f"{first} {period} for {span}, then {text}"
    if not price.trial_days:
        return text
    return f"{_span('day', price.trial_days, '1')} free, then {text}"


def period_text(interval: str, count: int) -> str:
    """`a month`, `every 3 months`."""
    return f"a {interval}" if count == 1 else f"every {count} {interval}s"


def _span(interval: str, count: int, one: str) -> str:
    """`a day`, `3 months`; `one` stands for a count of one, before several unless it is a number."""
    if count == 1:
        return f"{one} {interval}"
    return f"{one} {count} {interval}s" if one == "the first" else f"{count} {interval}s"


def price_for(price: Price, *, subscribed_before: bool) -> Price:
    """The price as this buyer gets it: a trial and an intro are for who never subscribed."""
    if not subscribed_before:
        return price
    return replace(price, trial_days=0, intro_amount=None, intro_periods=0)
